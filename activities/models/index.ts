import type { ModelDeps } from './deps.ts';
import { createEnsureModels } from './ensure-models.ts';
import { ModelCache } from './model-cache.ts';
import { createUploadModel } from './upload-model.ts';
import { createUploadLogs, createUploadResults } from './upload-results.ts';

/** The activities that move models and results between a worker and S3. */
export function createModelActivities(deps: ModelDeps) {
  const cache = new ModelCache({ ...deps, maxBytes: deps.modelCacheBytes });
  return {
    uploadModel: createUploadModel(deps, cache),
    ensureModels: createEnsureModels(deps, cache),
    uploadResults: createUploadResults(deps),
    uploadLogs: createUploadLogs(deps),
  };
}
