import assert from 'node:assert/strict';
import { parseTrainingLog } from '../../protocol/models/training-log.ts';
import { bestValLoss, mergeTrainingLogs } from './training-log.ts';

const HEADER = 'epoch,train/loss,val/loss,learning_rate';

describe('training log', () => {
  it('reads epochs and losses by column name; empty cells are unknown', () => {
    const log = parseTrainingLog(`${HEADER}\n0,,0.5,\n1,0.4,0.25,0.002\n`);
    assert.deepEqual(
      log.epochs.map(({ epoch, trainLoss, valLoss }) => [epoch, trainLoss, valLoss]),
      [
        [0, null, 0.5],
        [1, 0.4, 0.25],
      ],
    );
    assert.equal(bestValLoss(log), 0.25);
  });

  it('leaves out a row that a kill cut short', () => {
    assert.equal(parseTrainingLog(`${HEADER}\n0,,0.5,\n1,0.`).epochs.length, 1);
  });

  it('has no loss if none was logged, or none that is a number', () => {
    assert.equal(bestValLoss(parseTrainingLog('')), null);
    assert.equal(bestValLoss(parseTrainingLog(`${HEADER}\n0,,nan,\n`)), null);
  });

  it('has each epoch once if an attempt resumed from an earlier checkpoint', () => {
    const first = parseTrainingLog(`${HEADER}\n0,,0.9,\n1,0.9,0.1,1\n2,0.9,0.8,1\n`);
    const second = parseTrainingLog(`${HEADER}\n2,,0.7,\n3,0.6,0.6,1\n`);
    const merged = mergeTrainingLogs([first, second]);
    assert.deepEqual(
      merged.epochs.map(({ epoch, valLoss }) => [epoch, valLoss]),
      [
        [0, 0.9],
        [1, 0.1],
        [2, 0.7],
        [3, 0.6],
      ],
    );
    assert.equal(bestValLoss(merged), 0.1);
  });
});
