import type { S3Client } from '@aws-sdk/client-s3';
import type { ProgressMessage } from '../../protocol/peer-messages.ts';
import type { SignalingClient } from '../../transport/index.ts';
import type { DatasetStore } from './dataset-store.ts';
import { createReceiveDataset } from './receive-dataset.ts';
import { createReturnResults } from './return-results.ts';

export { DatasetStore } from './dataset-store.ts';

export interface TransferDeps {
  signaling: SignalingClient;
  s3: S3Client;
  /** The room bucket. */
  bucket: string;
  worker: string;
  /** The pod's folder, below which every job has its own. */
  workDir: string;
  datasets: DatasetStore;
  publishProgress: (progress: Omit<ProgressMessage, 'type' | 'worker' | 'at'>) => void;
}

/** The activities that move data between a pod and the researcher. */
export function createTransferActivities(deps: TransferDeps) {
  return {
    receiveDataset: createReceiveDataset(deps),
    returnResults: createReturnResults(deps),
  };
}
