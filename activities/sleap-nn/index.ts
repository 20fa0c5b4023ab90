import type { SleapNnDeps } from './deps.ts';
import { createPredict } from './prediction/predict.ts';
import { createControlTraining } from './training/control-training.ts';
import { EarlyStops } from './training/early-stops.ts';
import { createTrain } from './training/train.ts';

export { ownerArgument } from './process/launcher-process.ts';
export { WarmTrainer } from './process/warm-trainer.ts';

/** The activities that run sleap-nn. */
export function createSleapNnActivities(deps: SleapNnDeps) {
  const stops = new EarlyStops();
  const pausing = new Set<string>();
  return {
    train: createTrain(deps, stops, pausing),
    controlTraining: createControlTraining(deps, stops, pausing),
    predict: createPredict(deps),
  };
}
