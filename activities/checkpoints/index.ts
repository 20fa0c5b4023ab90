/** Checkpoints in S3: what lets a run go on on another pod. */
export type { Checkpoints, RunPlace } from './checkpoints.ts';
export { CheckpointKeeper } from './keep-checkpoints.ts';
export { keepModel, restoreModel } from './kept-model.ts';
export { claimRun } from './latest.ts';
export { restoreCheckpoints } from './restore-checkpoints.ts';
