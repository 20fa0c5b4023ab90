import type { SleapNnDeps } from './deps.ts';
import { createPredict } from './prediction/predict.ts';
import { EarlyStops } from './training/early-stops.ts';
import { createPauseTraining } from './training/pause-training.ts';
import { createStopTraining } from './training/stop-training.ts';
import { createTrain } from './training/train.ts';

export type { TrainedModel } from '../runs/trained-model.ts';
export { ownerArgument } from './process/launcher-process.ts';
export { WarmTrainer } from './process/warm-trainer.ts';

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
