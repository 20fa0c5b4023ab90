import type { SleapRtcError } from '../../protocol/errors.ts';
import type { JobPhase } from '../../protocol/jobs/job.ts';

/**
 * True if a job that fails in this phase has a model or predictions that are not in S3, or not in the manifest. They are not deleted,
 * unless the room has the same model from another job.
 */
export function hasFinishedWork(phase: JobPhase, { code }: SleapRtcError): boolean {
  return (phase === 'uploading' || phase === 'publishing') && code !== 'MODEL_EXISTS' && code !== 'JOB_CANCELLED';
}
