import type { S3Client } from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import type { WorkerProgress } from '../../protocol/job-view.ts';

/** What the activities of this folder are given. */
export interface DatasetDeps {
  s3: S3Client;
  /** The room bucket. */
  bucket: string;
  /** The worker's folder, below which every job has its own. */
  workDir: string;
  publishProgress: (progress: WorkerProgress) => void;
  logger: Logger;
}
