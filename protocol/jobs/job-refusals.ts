/** Why a job does not do what a researcher asks of it, in words. Workflow code imports this file: it uses no zod. */
import { SleapRtcError } from '../errors.ts';
import type { JobStatus } from './job.ts';

/** The error for an action on a job that has ended; the sentence says how it ended. */
export function endedAlready({ job_id, phase, error }: Pick<JobStatus, 'job_id' | 'phase' | 'error'>): SleapRtcError {
  const why = error === null ? '' : `: ${error.message.replace(/\.$/, '')}`;
  return new SleapRtcError('JOB_ACTION_REFUSED', `Job ${job_id} had ended already: ${phase}${why}.`);
}
