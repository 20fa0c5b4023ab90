import { Context } from '@temporalio/activity';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { InferenceInput } from '../contract.ts';
import type { ModelDeps } from './deps.ts';
import type { ModelCache } from './model-cache.ts';

/**
 * Downloads the job's models from S3 into this worker's cache, unless they are in it.
 * @returns those that were not
 * @throws SleapRtcError MODEL_NOT_FOUND; INTEGRITY, STORAGE_UNREACHABLE (retryable)
 */
export function createEnsureModels(deps: ModelDeps, cache: ModelCache) {
  return async function ensureModels({ input }: InferenceInput): Promise<{ fetched: string[] }> {
    const { job_id, models } = input.spec;
    const fetched: string[] = [];
    const signal = Context.current().cancellationSignal;
    for (const id of models) {
      if (await cache.has(id)) continue;
      const model = await deps.findModel(id, signal);
      if (model === undefined) throw new SleapRtcError('MODEL_NOT_FOUND', `The room has no model ${id}.`);
      deps.publishProgress({ job_id, phase: 'receiving', detail: `fetching model ${id}` });
      await cache.ensure(id, input.context.room_id, { signal });
      fetched.push(id);
      deps.logger.info({ event: 'model_fetched', model: id, room: input.context.room_id, job: job_id });
    }
    return { fetched };
  };
}
