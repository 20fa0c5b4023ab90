/** Checkpoints in S3, with which another worker can continue a run. */
export type { CheckpointUploader } from './checkpoint-uploader.ts';
export { claimRun } from './latest.ts';
export { RunCheckpoints, uploadTimeoutMs } from './run-checkpoints.ts';
