import type { RunCurve } from '../../protocol/api.ts';
import { withEpoch } from '../../protocol/curve.ts';

/** The curve of a finished run from its model's `training_log.csv`: a row an epoch, which sleap-nn counts from 0. */
export function curveOfLog(text: string, run: { run: string; run_index: number }): readonly RunCurve[] {
  const [header = '', ...lines] = text.split(/\r?\n/);
  const columns = header.split(',');
  const number = (cells: readonly string[], column: string): number | null => {
    const cell = cells[columns.indexOf(column)]?.trim();
    return cell === undefined || cell === '' || !Number.isFinite(Number(cell)) ? null : Number(cell);
  };
  let curves: readonly RunCurve[] = [];
  for (const line of lines) {
    const cells = line.split(',');
    const epoch = number(cells, 'epoch');
    if (epoch === null || !Number.isInteger(epoch)) continue;
    curves = withEpoch(curves, {
      ...run,
      run_count: 1,
      epoch: epoch + 1,
      max_epochs: null,
      train_loss: number(cells, 'train/loss'),
      val_loss: number(cells, 'val/loss'),
      seconds_left: null,
    });
  }
  return curves;
}
