import assert from 'node:assert/strict';
import { parseTrainingEvent } from './training-event.ts';

describe('an event of sleap-nn', () => {
  it('is read as sleap-nn sends it, NaN included', () => {
    const text =
      '{"what": "", "event": "epoch_end", "logs": {"val/loss": NaN, "loss": 0.25, "lr": -Infinity}, "epoch": 3}';
    assert.deepEqual(parseTrainingEvent(text), {
      event: 'epoch_end',
      epoch: 3,
      logs: { 'val/loss': null, loss: 0.25, lr: null },
    });
  });

  it('is nothing else: other text is ignored', () => {
    for (const text of ['', 'NaN', '[]', '{"event": 3}', '{"what": '])
      assert.equal(parseTrainingEvent(text), undefined);
    assert.equal(parseTrainingEvent('{"event":"new_one","logs":"text"}')?.event, 'new_one');
  });
});
