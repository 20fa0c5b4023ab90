import type { DatasetDeps } from './deps.ts';
import { createStageDataset } from './stage-dataset.ts';

export { createClearJobStorage } from './clear-job-storage.ts';
export { fetchStaged } from './fetch-staged.ts';
export { type JobFate, sweepStorage } from './sweep-storage.ts';

/** The activities that put a job's data where every pod of the room can have it. */
export function createDatasetActivities(deps: DatasetDeps) {
  return { stageDataset: createStageDataset(deps) };
}
