import type { TransferDeps } from './deps.ts';
import { createReceiveDataset } from './receive-dataset.ts';
import { createReturnResults } from './return-results.ts';

export { DatasetStore } from './dataset-store.ts';
export { isResearcherOnline } from './find-researcher.ts';

/** The activities that move data between a worker and the researcher. */
export function createTransferActivities(deps: TransferDeps) {
  return {
    receiveDataset: createReceiveDataset(deps),
    returnResults: createReturnResults(deps),
  };
}
