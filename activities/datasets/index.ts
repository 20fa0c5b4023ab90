import type { DatasetDeps } from './deps.ts';
import { createStageDataset } from './stage-dataset.ts';

export { fetchStaged } from './fetch-staged.ts';

/** The activities that make a job's data available to every worker of the room. */
export function createDatasetActivities(deps: DatasetDeps) {
  return { stageDataset: createStageDataset(deps) };
}
