import type { Logger } from 'pino';
import type { WorkerProgress } from '../../protocol/jobs/job-view.ts';
import type { Bucket } from '../../storage/index.ts';

/** What the activities of this folder are given. */
export interface DatasetDeps {
  /** The room bucket. */
  bucket: Bucket;
  /** The worker's folder, below which every job has its own. */
  workDir: string;
  publishProgress: (progress: WorkerProgress) => void;
  logger: Logger;
}
