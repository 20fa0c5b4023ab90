import type { Logger } from 'pino';
import type { WorkerProgress } from '../../protocol/jobs/job-view.ts';
import type { ModelEntry } from '../../protocol/models/manifest.ts';
import type { Bucket } from '../../storage/index.ts';

/** What the activities of this folder are given. */
export interface ModelDeps {
  /** The room bucket. */
  bucket: Bucket;
  /** The worker's folder; models are cached in `models/` below it. */
  workDir: string;
  /** Largest size of that cache, in bytes. Default: no limit. */
  modelCacheBytes?: number | undefined;
  /** This worker's name. */
  worker: string;
  /** Finds a model of the room by its id or alias. Returns undefined if the room has no such model. */
  findModel: (reference: string, signal: AbortSignal) => Promise<ModelEntry | undefined>;
  publishProgress: (progress: WorkerProgress) => void;
  logger: Logger;
  /** For how long a model stays this job's after the last sign of its upload, in milliseconds. Default: ten minutes. */
  claimLifeMs?: number;
}
