import assert from 'node:assert/strict';
import { parseFrameLine, predictionsName } from './predict.ts';

describe('sleap-nn predict', () => {
  it('reads frames, rate and time left; a stream of unknown length has no total', () => {
    assert.deepEqual(parseFrameLine('{"n_processed": 36, "n_total": 50, "rate": 23.4, "eta": 0.6}'), {
      frames: 36,
      total_frames: 50,
      frames_per_s: 23.4,
      seconds_left: 0.6,
    });
    assert.equal(parseFrameLine('{"n_processed": 36, "n_total": null}')?.total_frames, null);
  });

  it('does not take other lines for progress', () => {
    for (const line of ['', 'text', '{"error": true, "type": "OSError", "message": "x"}', '{"n_processed": -1}']) {
      assert.equal(parseFrameLine(line), undefined);
    }
  });

  it('names predictions as SLEAP does, without the folders of the input', () => {
    assert.equal(predictionsName('day 1/mouse.mp4'), 'mouse.mp4.predictions.slp');
  });
});
