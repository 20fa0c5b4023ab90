import assert from 'node:assert/strict';
import { TrainProgress } from './train-progress.ts';

function following(epochsDone = 0) {
  const published: {
    detail?: string | undefined;
    epoch?: { epoch: number; val_loss: number | null; train_loss: number | null } | undefined;
  }[] = [];
  const progress = new TrainProgress({
    jobId: 'job12345',
    run: 'centroid',
    runIndex: 0,
    runCount: 2,
    maxEpochs: 3,
    epochsDone,
    publish: (message) => published.push(message),
  });
  return { progress, published };
}

describe('training progress', () => {
  it('counts finished epochs from 1 and gives the last losses to the heartbeat', () => {
    const { progress } = following();
    progress.onEvent({ event: 'epoch_begin', epoch: 0 });
    progress.onEvent({ event: 'epoch_end', epoch: 0, logs: { 'val/loss': 0.5, loss: 0.7 } });
    assert.equal(progress.latest.epoch.epoch, 1);
    assert.equal(progress.latest.epoch.val_loss, 0.5);
    assert.equal(progress.latest.epoch.train_loss, 0.7);
    assert.equal(progress.sawTrainEnd, false);
    progress.onEvent({ event: 'train_end' });
    assert.equal(progress.sawTrainEnd, true);
  });

  it('reports the end of every epoch, even right after a step, and reports steps seldom', () => {
    const { progress, published } = following();
    for (let epoch = 0; epoch < 20; epoch += 1) {
      for (let batch = 0; batch < 50; batch += 1) progress.onEvent({ event: 'batch_end', epoch, batch });
      progress.onEvent({ event: 'epoch_end', epoch, logs: { 'val/loss': epoch } });
    }
    progress.onEvent({ event: 'train_end' });
    const losses = published.flatMap(({ detail, epoch }) => (detail === 'training' ? [epoch?.val_loss] : []));
    assert.deepEqual(losses, [...Array(20).keys()]);
    assert.ok(published.length <= 20 + 3, `${published.length} messages`);
  });

  it('begins with the epoch at which an earlier attempt ended', () => {
    const { progress, published } = following(7);
    progress.report('loading sleap-nn to go on after epoch 7');
    assert.equal(published[0]?.epoch?.epoch, 7);
  });
});
