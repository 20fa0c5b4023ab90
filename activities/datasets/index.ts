import type { DatasetDeps } from './deps.ts';
import { createStageDataset } from './stage-dataset.ts';

export { createClearJobStorage } from '../cleanup/clear-job-storage.ts';
export { type JobFate, sweepStorage } from '../cleanup/sweep-storage.ts';
export { fetchStaged } from './fetch-staged.ts';

/** The activities that put a job's data where every worker of the room can have it. */
export function createDatasetActivities(deps: DatasetDeps) {
  return { stageDataset: createStageDataset(deps) };
}
