import { rm } from 'node:fs/promises';
import { isErrorCode, SleapRtcError } from '../../../protocol/errors.ts';
import { isFinal, type JobPhase, type JobStatus } from '../../../protocol/job.ts';
import type { RoomApi } from '../api/api-client.ts';
import type { JobProgress } from '../output/job-progress.ts';
import { type CollectedModel, collectModels, partialFolder } from './collect-results.ts';
import type { Followed } from './follow-job.ts';

/** How a training ended for this process. */
export interface TrainingOutcome {
  job_id: string;
  name: string;
  phase: JobPhase;
  worker: string | null;
  /** Empty where this process left before the end. */
  models: CollectedModel[];
  temporal_ui_url: string | null;
  /** Seconds in all, and in each phase. */
  seconds: Record<string, number>;
}

/**
 * Brings a followed job's models to their place.
 * @throws SleapRtcError the job's own where it failed or was cancelled
 */
export async function trainingOutcome(
  { status, left, received }: Followed,
  context: {
    api: RoomApi;
    output: string;
    progress: JobProgress;
    temporalUiUrl: string | null;
    /** When this command began, in ms since 1970. */
    started: number;
    signal: AbortSignal;
  },
): Promise<TrainingOutcome> {
  const { api, output, progress, temporalUiUrl, started, signal } = context;
  if (!left) throwUnlessDone(status);
  const models = left
    ? []
    : await collectModels({
        api,
        jobId: status.job_id,
        models: status.models,
        output,
        received,
        onDownload: () => progress.note('Fetching the model from the room’s storage.'),
        onProgress: (transfer) => progress.transfer(transfer),
        signal,
      });
  return {
    job_id: status.job_id,
    name: status.name,
    phase: status.phase,
    worker: status.worker,
    models,
    temporal_ui_url: temporalUiUrl,
    seconds: { total: Math.round((Date.now() - started) / 100) / 10, ...progress.seconds() },
  };
}

/** Removes what was received but did not become whole. */
export async function removePartial(output: string, jobId: string): Promise<void> {
  await rm(partialFolder(output, jobId), { recursive: true, force: true });
}

/** A job that ended in another way than success is this command's error, with the job's own code. */
function throwUnlessDone(status: JobStatus): void {
  if (status.phase === 'done' || !isFinal(status.phase)) return;
  const published =
    status.models.length === 0 ? '' : ` Published before that: ${status.models.map(({ id }) => id).join(', ')}.`;
  if (status.phase === 'cancelled') throw new SleapRtcError('JOB_CANCELLED', `The job was cancelled.${published}`);
  const { code, message, remedy } = status.error ?? { code: 'INTERNAL', message: 'The job failed.', remedy: '' };
  throw isErrorCode(code)
    ? new SleapRtcError(code, `${message}${published}`, { remedy })
    : new SleapRtcError('INTERNAL', `${message}${published} (${code})`, { remedy });
}
