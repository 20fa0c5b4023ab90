import type { S3Client } from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import type { ProgressMessage } from '../../protocol/peer-messages.ts';
import { createEnsureModels } from './ensure-models.ts';
import { createKeepLogs, createKeepResults } from './keep-results.ts';
import { ModelCache } from './model-cache.ts';
import { createUploadModel } from './upload-model.ts';

export interface ModelDeps {
  s3: S3Client;
  /** The room bucket. */
  bucket: string;
  /** The pod's folder; models are cached in `models/` below it. */
  workDir: string;
  /** This worker's name. */
  worker: string;
  publishProgress: (progress: Omit<ProgressMessage, 'type' | 'worker' | 'at'>) => void;
  logger: Logger;
}

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
