import { isErrorCode, SleapRtcError } from '../../../protocol/errors.ts';
import { isFinal, type JobPhase, type JobStatus, type Staging } from '../../../protocol/jobs/job.ts';
import type { Followed } from '../follow/follow-job.ts';
import { type CollectedModel, collectModels } from './collect-models.ts';
import { collectPredictions } from './collect-predictions.ts';
import type { OutcomeContext } from './outcome-context.ts';

/** The result of a command that ran or followed a job. */
export interface JobOutcome {
  job_id: string;
  kind: 'training' | 'inference';
  name: string;
  phase: JobPhase;
  worker: string | null;
  /** Whether the job's data is in the room's storage; null if the server does not know. */
  staging: Staging | null;
  /** The trained models; empty if this command ended before the job. */
  models: CollectedModel[];
  /** Paths of the predictions; empty if this command ended before the job. */
  predictions: string[];
  temporal_ui_url: string | null;
  /** Seconds in all, and in each phase. */
  seconds: Record<string, number>;
}

/**
 * Moves a followed job's results into the output folder.
 * @throws SleapRtcError the job's own error if it failed or was cancelled
 */
export async function jobOutcome(followed: Followed, context: OutcomeContext): Promise<JobOutcome> {
  const { status, left } = followed;
  const { temporalUiUrl, started, progress } = context;
  if (!left) throwUnlessDone(status);
  const models = !left && status.kind === 'training' ? await collectModels(followed, context) : [];
  const predictions = !left && status.kind === 'inference' ? await collectPredictions(followed, context) : [];
  return {
    job_id: status.job_id,
    kind: status.kind,
    name: status.name,
    phase: status.phase,
    worker: status.worker,
    staging: status.staging ?? null,
    models,
    predictions,
    temporal_ui_url: temporalUiUrl,
    seconds: { total: Math.round((Date.now() - started) / 100) / 10, ...progress.seconds() },
  };
}

/** @throws SleapRtcError with the job's own code if the job ended without success */
function throwUnlessDone(status: JobStatus): void {
  if (status.phase === 'done' || !isFinal(status.phase)) return;
  if (status.phase === 'cancelled')
    throw new SleapRtcError('JOB_CANCELLED', status.error?.message ?? 'The job was cancelled.');
  // The sentence also names the models that were published before.
  const { code, message, remedy } = status.error ?? { code: 'INTERNAL', message: 'The job failed.', remedy: '' };
  throw isErrorCode(code)
    ? new SleapRtcError(code, message, { remedy })
    : new SleapRtcError('INTERNAL', `${message} (${code})`, { remedy });
}
