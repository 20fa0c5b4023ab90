import { ActivityFailure, ApplicationFailure, CancellationScope, log } from '@temporalio/workflow';
import { fromFailure } from '../protocol/failures.ts';
import type { JobInput } from '../protocol/job.ts';
import type { JobReport } from './job-report.ts';
import type { SessionWorker } from './session-worker.ts';

/** What is said while a worker gets the job's data. `again` where a worker before this one had it. */
export function receivingDetail(report: JobReport, worker: SessionWorker, again: boolean): string {
  const { staging } = report.status;
  if (staging === 'staged') return `bringing the data from the room’s storage to ${worker.worker}`;
  if (!again) return `sending the data to ${worker.worker}`;
  const why =
    staging === 'off'
      ? 'the data stays on the worker that has it (--no-stage)'
      : 'the data was not in the room’s storage yet';
  return `sending the data to ${worker.worker}; ${why}, so the researcher’s computer is needed again`;
}

/**
 * Runs `body` on a worker that has the job's data, and copies the data to S3 meanwhile: once that is done, another worker does not
 * need the researcher. What goes wrong with it, or is not done when `body` is, fails nothing.
 * @throws what `body` throws
 */
export async function stagingBeside<T>(
  input: JobInput,
  report: JobReport,
  worker: SessionWorker,
  body: () => Promise<T>,
): Promise<T> {
  // A job of an older release does not say, and nor was it told.
  if (input.spec.stage === false || report.status.staging === 'staged') return body();
  const scope = new CancellationScope({ cancellable: true });
  report.staging('staging');
  const staged = scope.run(async () => {
    try {
      await worker.stageDataset({ input });
      report.staging('staged');
    } catch (failure) {
      // A worker that is lost, or a job that ends first, says nothing of what the next worker can do.
      const refused = failure instanceof ActivityFailure && failure.cause instanceof ApplicationFailure;
      report.staging(refused ? 'failed' : 'waiting');
      if (refused) log.warn('not staged', { cause: fromFailure(failure).message });
    }
  });
  try {
    return await body();
  } finally {
    // The session's end removes the files.
    scope.cancel();
    await staged;
  }
}
