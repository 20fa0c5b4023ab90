import type { ZodError } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { FileEntry } from '../../../protocol/files.ts';
import type { JobRequirements } from '../../../protocol/jobs/job.ts';

/** Longest name of a job that the spec accepts, in characters. */
const MAX_NAME = 200;

/** What the researcher chose, whatever the job does. */
export interface JobOptions {
  jobId: string;
  requirements: JobRequirements;
  /** False if the data must stay on the worker. */
  stage: boolean;
  /** 1 to 5; undefined means the default. */
  priority?: number | undefined;
}

/** The parts that the specs of all jobs have. */
export function commonSpec(name: string, files: FileEntry[], { jobId, requirements, stage, priority }: JobOptions) {
  return { job_id: jobId, name: jobName(name), files, requirements, stage, priority };
}

/** A job is called after its labels or video: without control characters, and not cut within a character. */
function jobName(name: string): string {
  const plain = name.toWellFormed().replaceAll(/\p{Cc}/gu, '_');
  return plain.slice(0, MAX_NAME).replace(/[\ud800-\udbff]$/, '');
}

/** The error for a spec that is not valid, naming the part that is wrong. */
export function notAccepted(error: ZodError): SleapRtcError {
  const issue = error.issues[0];
  return new SleapRtcError(
    'USAGE',
    `${issue?.path.join('.') ?? 'The job'} is not valid: ${issue?.message ?? 'unknown reason'}.`,
  );
}
