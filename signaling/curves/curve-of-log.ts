import { withEpoch } from '../../protocol/jobs/curve.ts';
import type { RunCurve } from '../../protocol/jobs/run-curve.ts';
import { parseTrainingLog } from '../../protocol/models/training-log.ts';

/** The curve of a run from its `training_log.csv`, in which sleap-nn counts epochs from 0. */
export function curveOfLog(text: string, run: { run: string; run_index: number }): readonly RunCurve[] {
  let curves: readonly RunCurve[] = [];
  for (const { epoch, trainLoss, valLoss } of parseTrainingLog(text).epochs) {
    curves = withEpoch(curves, {
      ...run,
      run_count: 1,
      epoch: epoch + 1,
      max_epochs: null,
      train_loss: trainLoss,
      val_loss: valLoss,
      seconds_left: null,
    });
  }
  return curves;
}
