import { log } from '@temporalio/workflow';
import type { JobInput } from '../protocol/jobs/job.ts';
import { fromFailure } from '../protocol/temporal/failures.ts';
import type { SessionWorker } from './session/session-worker.ts';

/**
 * Informs the room that a job is done and sends its results to the researcher. They are in S3 by now: nothing that goes wrong
 * here fails the job.
 * @returns whether the researcher has the results
 */
export async function deliver(input: JobInput, worker: SessionWorker, model_ids: string[]): Promise<boolean> {
  try {
    return (await worker.returnResults({ input, model_ids })).delivered;
  } catch (failure) {
    log.warn('the results were not delivered', { cause: fromFailure(failure).message });
    return false;
  }
}
