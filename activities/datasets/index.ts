import type { S3Client } from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import type { SignalingClient } from '../../transport/index.ts';
import { createStageDataset } from './stage-dataset.ts';

export { createClearJobStorage } from './clear-job-storage.ts';
export { fetchStaged } from './fetch-staged.ts';
export { type JobFate, sweepStorage } from './sweep-storage.ts';

export interface DatasetDeps {
  s3: S3Client;
  /** The room bucket. */
  bucket: string;
  /** The pod's folder, below which every job has its own. */
  workDir: string;
  worker: string;
  signaling: Pick<SignalingClient, 'sendPeerMessage'>;
  logger: Logger;
}

/** The activities that put a job's data where every pod of the room can have it. */
export function createDatasetActivities(deps: DatasetDeps) {
  return { stageDataset: createStageDataset(deps) };
}
