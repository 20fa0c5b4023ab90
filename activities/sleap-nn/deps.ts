import type { Logger } from 'pino';
import type { WorkerProgress } from '../../protocol/jobs/job-view.ts';
import type { Bucket } from '../../storage/index.ts';
import type { Sandbox } from '../sandbox/index.ts';
import type { WarmTrainer } from './process/warm-trainer.ts';

/** What the activities of this folder are given. */
export interface SleapNnDeps {
  /** The worker's folder, below which every job has its own. */
  workDir: string;
  /** A Python with sleap-nn installed, and how far it is isolated. */
  sandbox: Sandbox;
  /** Makes starts quick with a spare process. */
  warmTrainer?: WarmTrainer | undefined;
  /** The room bucket, for checkpoints with which another worker can continue. */
  bucket: Bucket;
  /** Least time between two checkpoint uploads, in milliseconds. */
  checkpointEveryMs: number;
  publishProgress: (progress: WorkerProgress) => void;
  logger: Logger;
}
