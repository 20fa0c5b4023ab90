import { ActivityFailure, ApplicationFailure, CancellationScope, log } from '@temporalio/workflow';
import { fromFailure } from '../protocol/failures.ts';
import type { JobInput } from '../protocol/job.ts';
import type { SessionWorker } from './session-worker.ts';

/**
 * Runs `body`; where it fails for a reason that is the job's own, the job's logs are copied to S3 before the session ends
 * and the worker forgets them. A worker that is lost, or a job that is cancelled, leaves none.
 * @throws what `body` throws
 */
export async function uploadingLogs<T>(input: JobInput, worker: SessionWorker, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) {
      await CancellationScope.nonCancellable(() => worker.uploadLogs({ input })).catch((failure: unknown) =>
        log.warn('the logs were not kept', { cause: fromFailure(failure).message }),
      );
    }
    throw error;
  }
}
