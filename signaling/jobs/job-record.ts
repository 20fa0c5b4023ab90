import { createHash } from 'node:crypto';
import type { WorkflowExecutionInfo } from '@temporalio/client';
import canonicalize from 'canonicalize';
import { z } from 'zod';
import { type JobContext, JobPhase, JobRequirements, type JobSpec, JobStatus } from '../../protocol/jobs/job.ts';
import { DEFAULT_PRIORITY } from '../../protocol/temporal/queues.ts';
import type { ReportedJob } from './jobs.ts';

/** What the server writes on a job's workflow, so that the job can be described also while no worker runs. */
const JobMemo = z.object({
  job: JobStatus.pick({ job_id: true, kind: true, name: true, user_id: true, submitted_at: true, priority: true }),
  requirements: JobRequirements,
  /** SHA-256 of the spec: distinguishes a repeated submit from another job with the same id. */
  spec_sha256: z.string(),
});
export type JobMemo = z.infer<typeof JobMemo>;

/** The memo of a job that is about to start. */
export function jobMemo(spec: JobSpec, context: JobContext): JobMemo {
  const { job_id, kind, name, priority = DEFAULT_PRIORITY } = spec;
  return {
    job: { job_id, kind, name, user_id: context.user_id, submitted_at: context.submitted_at, priority },
    requirements: spec.requirements,
    spec_sha256: createHash('sha256')
      .update(canonicalize(spec) ?? '')
      .digest('hex'),
  };
}

/** Reads the memo. Returns undefined if the workflow is not a job of ours. */
export function readJobMemo(info: Pick<WorkflowExecutionInfo, 'memo'>): JobMemo | undefined {
  return JobMemo.safeParse(info.memo).data;
}

type Described = Pick<WorkflowExecutionInfo, 'memo' | 'searchAttributes' | 'status'>;

/** A job as Temporal's own records show it: without its worker and models. Returns undefined if it is not a job of ours. */
export function recordedJob(info: Described): ReportedJob | undefined {
  const memo = readJobMemo(info);
  if (memo === undefined) return undefined;
  const phase = phaseOf(info);
  const status: JobStatus = {
    ...memo.job,
    phase,
    detail: DETAILS[phase] ?? '',
    worker: null,
    models: [],
    error: null,
  };
  return { status, requirements: memo.requirements, sessionId: null, complete: false };
}

/**
 * How a workflow closed decides the phase of a job that has ended; a running one has its phase as an attribute. So has a job
 * that was stopped before it had a model: for Temporal it failed, for people it is cancelled.
 */
function phaseOf({ status, searchAttributes }: Described): JobStatus['phase'] {
  const recorded = JobPhase.safeParse(searchAttributes.SleapPhase?.[0]).data;
  switch (status.name) {
    case 'COMPLETED':
      return 'done';
    case 'CANCELLED':
    case 'TERMINATED':
      return 'cancelled';
    case 'FAILED':
      return recorded === 'cancelled' ? recorded : 'failed';
    case 'TIMED_OUT':
      return 'failed';
    default:
      return recorded ?? 'queued';
  }
}

const DETAILS: Partial<Record<JobStatus['phase'], string>> = {
  queued: 'waiting for a worker',
  awaiting_data: 'waiting for the computer that has the data',
  paused: 'paused',
  done: 'finished',
  cancelled: 'The job was cancelled.',
};
