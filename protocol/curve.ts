/** Growing a loss curve epoch by epoch. Imports types only: the server and the dashboard in the browser both run it as it is. */
import type { RunCurve } from './api.ts';
import type { EpochProgress } from './job-view.ts';

/** Points kept of one run; beyond it every second one goes, which no screen shows. */
export const MAX_CURVE_POINTS = 1000;

/**
 * A job's curves with one more word on an epoch; the given ones are left as they are, and returned where nothing is new.
 * An epoch that is told again replaces its point. One before the last means that the run went on from an earlier
 * checkpoint: what came after that is no longer true and goes.
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

/** Keeps the newest point and every second one before it, where there are too many. */
function thinned(curve: RunCurve): RunCurve {
  const { length } = curve.epochs;
  if (length <= MAX_CURVE_POINTS) return curve;
  const kept = <T>(column: readonly T[]): T[] => column.filter((_, index) => (length - 1 - index) % 2 === 0);
  return {
    ...curve,
    epochs: kept(curve.epochs),
    train_loss: kept(curve.train_loss),
    val_loss: kept(curve.val_loss),
  };
}
