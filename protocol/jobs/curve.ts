/** Growing a loss curve epoch by epoch. Imports types only: the server and the dashboard in the browser both run it as it is. */

import type { EpochProgress } from './job-view.ts';
import type { RunCurve } from './run-curve.ts';

/** Most points of one run. Beyond it every second point is dropped; no screen is wide enough to show the difference. */
export const MAX_CURVE_POINTS = 1000;

/**
 * Adds a report of an epoch to a job's curves. Returns new curves, or the given ones if the report says nothing new.
 * A second report of an epoch replaces its point. An epoch before the last one means that the run resumed from an earlier
 * checkpoint, so the points after it are dropped.
 */
export function withEpoch(curves: readonly RunCurve[], epoch: EpochProgress): readonly RunCurve[] {
  if (epoch.epoch < 1 || (epoch.train_loss === null && epoch.val_loss === null)) return curves;
  const old = curves.find(({ run }) => run === epoch.run);
  const last = (old?.epochs.length ?? 0) - 1;
  const repeated =
    old?.epochs[last] === epoch.epoch &&
    old.train_loss[last] === epoch.train_loss &&
    old.val_loss[last] === epoch.val_loss;
  if (repeated) return curves;
  const before = (old?.epochs ?? []).filter((earlier) => earlier < epoch.epoch).length;
  const grown: RunCurve = {
    run: epoch.run,
    run_index: epoch.run_index,
    max_epochs: epoch.max_epochs,
    epochs: [...(old?.epochs.slice(0, before) ?? []), epoch.epoch],
    train_loss: [...(old?.train_loss.slice(0, before) ?? []), epoch.train_loss],
    val_loss: [...(old?.val_loss.slice(0, before) ?? []), epoch.val_loss],
  };
  const others = curves.filter((curve) => curve !== old);
  return [...others, thinned(grown)].sort((a, b) => a.run_index - b.run_index);
}

/** If there are too many points, retains the newest one and every second one before it. */
function thinned(curve: RunCurve): RunCurve {
  const { length } = curve.epochs;
  if (length <= MAX_CURVE_POINTS) return curve;
  const thinned = <T>(column: readonly T[]): T[] => column.filter((_, index) => (length - 1 - index) % 2 === 0);
  return {
    ...curve,
    epochs: thinned(curve.epochs),
    train_loss: thinned(curve.train_loss),
    val_loss: thinned(curve.val_loss),
  };
}
