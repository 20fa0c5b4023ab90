import type { S3Client } from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import type { WorkerProgress } from '../../protocol/job-view.ts';
import type { WarmTrainer } from './process/warm-trainer.ts';

/** What the activities of this folder are given. */
export interface SleapNnDeps {
  /** The worker's folder, below which every job has its own. */
  workDir: string;
  /** A Python with sleap-nn installed. */
  python: string;
  /** Makes a start quick where a spare process is at hand. */
  warmTrainer?: WarmTrainer | undefined;
  /** Where checkpoints are kept so that another worker can go on; without it they stay on this worker. */
  checkpoints?: { s3: S3Client; bucket: string; everyMs: number } | undefined;
  publishProgress: (progress: WorkerProgress) => void;
  logger: Logger;
}
