import { SleapRtcError } from '../../../protocol/errors.ts';
import type { SleapNnExit } from '../process/launcher-process.ts';
import { explainFailure } from './explain-failure.ts';

/** What is known of a training's sleap-nn that has ended without a stop from us. */
export interface EndedRun {
  exit: SleapNnExit;
  /** `train_end` came over ZMQ: training ended by itself, at `max_epochs` or because it made no more progress. */
  sawTrainEnd: boolean;
  /** Epochs in the log. */
  epochsDone: number;
  maxEpochs: number;
  hasBestCheckpoint: boolean;
  logTail: string;
  /** Names of the label files. */
  labels: readonly string[];
}

/**
 * Checks whether a run trained to its end. Exit code 0 is not enough: sleap-nn also ends with 0 when it is sent SIGTERM.
 * @returns the error it ended with, or undefined if it succeeded
 */
export function judgeRun(run: EndedRun): SleapRtcError | undefined {
  const { code, signal } = run.exit;
  if (signal !== null) {
    const why = signal === 9 ? ' (the machine may have run out of memory)' : '';
    // Retryable: the next attempt goes on from the last checkpoint.
    return new SleapRtcError('TRAINER_KILLED', `sleap-nn was killed by signal ${signal}${why}.`);
  }
  if (code !== 0) {
    const { logTail, labels } = run;
    return explainFailure({ exitCode: code ?? 1, logTail, inputs: labels, otherwise: 'TRAINING_FAILED' });
  }
  if (!run.sawTrainEnd && run.epochsDone < run.maxEpochs) {
    return new SleapRtcError(
      'TRAINER_KILLED',
      `sleap-nn was told to stop after ${run.epochsDone} of ${run.maxEpochs} epochs.`,
    );
  }
  if (!run.hasBestCheckpoint) {
    return new SleapRtcError(
      'TRAINING_FAILED',
      'sleap-nn ended without a best checkpoint: the loss may never have been a number.',
    );
  }
  return undefined;
}
