import type { WorkerProgress } from '../../protocol/jobs/job-view.ts';
import type { Bucket } from '../../storage/index.ts';
import type { SignalingClient } from '../../transport/index.ts';
import type { DatasetStore } from './dataset-store.ts';

/** What the activities of this folder are given. */
export interface TransferDeps {
  signaling: SignalingClient;
  /** The room bucket. */
  bucket: Bucket;
  worker: string;
  /** The worker's folder, below which every job has its own. */
  workDir: string;
  datasets: DatasetStore;
  /** After this time without data from the researcher the worker is given back, in milliseconds. Default: a minute. */
  dataTimeoutMs?: number;
  publishProgress: (progress: WorkerProgress) => void;
}
