import type { SleapNnDeps } from './deps.ts';
import { EarlyStops } from './early-stops.ts';
import { createPauseTraining } from './pause-training.ts';
import { createPredict } from './predict.ts';
import { createStopTraining } from './stop-training.ts';
import { createTrain } from './train.ts';

export { ownerArgument } from './launcher-process.ts';
export type { TrainedModel } from './trained-model.ts';
export { WarmTrainer } from './trainer-process.ts';

/** The activities that run sleap-nn. */
export function createSleapNnActivities(deps: SleapNnDeps) {
  const stops = new EarlyStops();
  const pausing = new Set<string>();
  return {
    train: createTrain(deps, stops, pausing),
    stopTraining: createStopTraining(deps, stops),
    pauseTraining: createPauseTraining(deps, pausing),
    predict: createPredict(deps),
  };
}
