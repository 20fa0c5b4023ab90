import type { ModelDeps } from './deps.ts';
import { createEnsureModels } from './ensure-models.ts';
import { createKeepLogs, createKeepResults } from './keep-results.ts';
import { ModelCache } from './model-cache.ts';
import { createUploadModel } from './upload-model.ts';

/** The activities that move models and results between a pod and S3. */
export function createModelActivities(deps: ModelDeps) {
  const cache = new ModelCache(deps);
  return {
    uploadModel: createUploadModel(deps, cache),
    ensureModels: createEnsureModels(deps, cache),
    keepResults: createKeepResults(deps),
    keepLogs: createKeepLogs(deps),
  };
}
