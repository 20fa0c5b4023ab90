import type { InferenceSpec, JobInput } from '../../protocol/job.ts';
import { withHeartbeats } from './heartbeats.ts';
import type { ModelDeps } from './index.ts';
import type { ModelCache } from './model-cache.ts';
import { withStorageErrors } from './storage-errors.ts';

/**
 * Brings the job's models from S3 into this pod's cache, where they are not there already.
 * @throws SleapRtcError MODEL_NOT_FOUND; INTEGRITY, STORAGE_UNREACHABLE (retryable)
 */
export function createEnsureModels(deps: ModelDeps, cache: ModelCache) {
  return async function ensureModels({ input }: { input: JobInput<InferenceSpec> }): Promise<void> {
    const { job_id, models } = input.spec;
    await withHeartbeats((signal) =>
      withStorageErrors(async () => {
        for (const id of models) {
          if (!(await cache.has(id)))
            deps.publishProgress({ job_id, phase: 'receiving', detail: `fetching model ${id}` });
          await cache.ensure(id, input.context.room_id, { signal });
        }
      }),
    );
  };
}
