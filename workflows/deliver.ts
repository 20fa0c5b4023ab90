import { log } from '@temporalio/workflow';
import { fromFailure } from '../protocol/failures.ts';
import type { JobInput } from '../protocol/job.ts';
import type { Pod } from './pod.ts';

/**
 * Tells the room that a job is done and brings what it made to the researcher. All of that is safe in S3 by now: nothing that goes
 * wrong here fails the job.
 * @returns whether the researcher has got it
 */
export async function deliver(input: JobInput, pod: Pod, model_ids: string[]): Promise<boolean> {
  try {
    return (await pod.returnResults({ input, model_ids })).delivered;
  } catch (failure) {
    log.warn('not returned', { cause: fromFailure(failure).message });
    return false;
  }
}
