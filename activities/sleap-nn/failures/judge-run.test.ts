import assert from 'node:assert/strict';
import { type EndedRun, judgeRun } from './judge-run.ts';

const good: EndedRun = {
  exit: { code: 0, signal: null },
  sawTrainEnd: true,
  epochsDone: 10,
  maxEpochs: 10,
  hasBestCheckpoint: true,
  logTail: '',
  labels: [],
};

describe('judging a run', () => {
  it('accepts an end at the last epoch, or one that sleap-nn announced', () => {
    assert.equal(judgeRun(good), undefined);
    assert.equal(judgeRun({ ...good, sawTrainEnd: false }), undefined, 'a lost last message');
    assert.equal(judgeRun({ ...good, epochsDone: 4 }), undefined, 'stopped early');
  });

  it('does not take exit code 0 after SIGTERM for success: the run is tried again', () => {
    const error = judgeRun({ ...good, sawTrainEnd: false, epochsDone: 4 });
    assert.equal(error?.code, 'TRAINER_KILLED');
    assert.equal(error?.retryable, true);
    assert.match(error?.message ?? '', /4 of 10 epochs/);
  });

  it('tries again if sleap-nn was killed from outside', () => {
    assert.equal(judgeRun({ ...good, exit: { code: null, signal: 9 }, sawTrainEnd: false })?.retryable, true);
  });

  it('needs a best checkpoint', () => {
    assert.equal(judgeRun({ ...good, hasBestCheckpoint: false })?.code, 'TRAINING_FAILED');
  });

  it('explains a failure after training ended: a model that cannot be evaluated is not published', () => {
    const error = judgeRun({
      ...good,
      exit: { code: 1, signal: null },
      logTail: "ValueError: 'nose' is not in list\n",
    });
    assert.equal(error?.code, 'TRAINING_FAILED');
    assert.match(error?.message ?? '', /'nose' is not in list/);
  });
});
