import type { S3Client } from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import type { ProgressMessage } from '../../protocol/peer-messages.ts';
import { EarlyStops } from './early-stops.ts';
import { createPauseTraining } from './pause-training.ts';
import { createPredict } from './predict.ts';
import { createStopTraining } from './stop-training.ts';
import { createTrain } from './train.ts';
import type { WarmTrainer } from './trainer-process.ts';

export { ownerArgument } from './launcher-process.ts';
export type { TrainedModel } from './trained-model.ts';
export { WarmTrainer } from './trainer-process.ts';

export interface SleapNnDeps {
  /** The pod's folder, below which every job has its own. */
  workDir: string;
  /** A Python with sleap-nn installed. */
  python: string;
  /** Makes a start quick where a spare process is at hand. */
  warmTrainer?: WarmTrainer | undefined;
  /** Where checkpoints are kept so that another pod can go on; without it they stay on this pod. */
  checkpoints?: { s3: S3Client; bucket: string; everyMs: number } | undefined;
  publishProgress: (progress: Omit<ProgressMessage, 'type' | 'worker' | 'at'>) => void;
  logger: Logger;
}

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
