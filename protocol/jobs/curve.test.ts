import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MAX_CURVE_POINTS, withEpoch } from './curve.ts';
import type { EpochProgress } from './job-view.ts';
import { RunCurve } from './run-curve.ts';

function epoch(number: number, more: Partial<EpochProgress> = {}): EpochProgress {
  const losses = { train_loss: 1 / number, val_loss: 2 / number };
  return {
    run: 'centroid',
    run_index: 0,
    run_count: 1,
    epoch: number,
    max_epochs: 5,
    seconds_left: null,
    ...losses,
    ...more,
  };
}

const grow = (epochs: readonly EpochProgress[], from: readonly RunCurve[] = []): readonly RunCurve[] =>
  epochs.reduce<readonly RunCurve[]>(withEpoch, from);

describe('a loss curve', () => {
  it('has one point for each epoch, though a worker reports each epoch several times, first without losses', () => {
    const [curve] = grow([epoch(0, { train_loss: null, val_loss: null }), epoch(1), epoch(1), epoch(2), epoch(4)]);
    assert.deepEqual(curve?.epochs, [1, 2, 4]);
    assert.deepEqual(curve?.train_loss, [1, 1 / 2, 1 / 4]);
    assert.deepEqual(curve?.val_loss, [2, 1, 1 / 2]);
  });

  it('stays the same object if nothing is new, so that nothing is drawn or saved again', () => {
    const curves = grow([epoch(1)]);
    assert.equal(withEpoch(curves, epoch(1)), curves);
  });

  it('drops epochs that a resumed run trains again', () => {
    const [curve] = grow([epoch(1), epoch(2), epoch(3), epoch(2, { val_loss: 9 })]);
    assert.deepEqual(curve?.epochs, [1, 2]);
    assert.deepEqual(curve?.val_loss, [2, 9]);
  });

  it('has a curve for each run of a job, in their order', () => {
    const second = { run: 'centered', run_index: 1 };
    const runs = grow([epoch(1, second), epoch(1), epoch(2, second)]);
    assert.deepEqual(
      runs.map(({ run, epochs }) => [run, epochs]),
      [
        ['centroid', [1]],
        ['centered', [1, 2]],
      ],
    );
  });

  it('stays bounded, ascending and rectangular, with the newest epoch, whatever a worker reports', () => {
    const anyEpoch = fc
      .tuple(fc.integer({ min: 0, max: 30 }), fc.option(fc.double({ noNaN: true })), fc.constantFrom('a', 'b'))
      .map(([number, loss, run]) => epoch(number, { val_loss: loss, train_loss: loss, run }));
    fc.assert(
      fc.property(fc.array(anyEpoch, { maxLength: 60 }), (epochs) => {
        for (const curve of grow(epochs)) {
          RunCurve.parse(JSON.parse(JSON.stringify(curve)));
          assert.deepEqual(
            curve.epochs,
            [...new Set(curve.epochs)].sort((a, b) => a - b),
          );
          assert.ok(curve.epochs.length === curve.train_loss.length && curve.epochs.length === curve.val_loss.length);
        }
      }),
    );
    const [longest] = grow(Array.from({ length: MAX_CURVE_POINTS }, (_, index) => epoch(index + 1)));
    assert.equal(RunCurve.parse(longest).epochs.length, MAX_CURVE_POINTS);
    const [long] = grow(Array.from({ length: 3 * MAX_CURVE_POINTS }, (_, index) => epoch(index + 1)));
    assert.ok((long?.epochs.length ?? 0) <= MAX_CURVE_POINTS);
    assert.equal(long?.epochs.at(-1), 3 * MAX_CURVE_POINTS);
    assert.ok((long?.epochs[0] ?? 99) < 10, 'also the beginning is still there');
  });
});
