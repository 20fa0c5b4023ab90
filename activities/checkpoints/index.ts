/** Checkpoints in S3: what lets a run go on on another worker. */

export { CheckpointUploader } from './checkpoint-uploader.ts';
export type { Checkpoints, RunPlace } from './checkpoints.ts';
export { claimRun } from './latest.ts';
export { restoreCheckpoints } from './restore-checkpoints.ts';
export { backUpModel, restoreModel } from './trained-model-backup.ts';
