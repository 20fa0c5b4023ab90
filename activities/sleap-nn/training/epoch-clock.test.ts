import assert from 'node:assert/strict';
import { EpochClock } from './train-progress.ts';

describe('epoch clock', () => {
  it('estimates the time left from the median of the last epochs, so that one slow epoch does not count', () => {
    let now = 0;
    const clock = new EpochClock(10, () => now);
    const left = [1_000, 60_000, 1_000, 1_000].map((duration, index) => {
      clock.begin();
      now += duration;
      return clock.end(index + 1);
    });
    assert.equal(left[0], 9);
    assert.equal(left[3], 6);
  });

  it('gives no estimate before an epoch was seen, and never a negative time', () => {
    const clock = new EpochClock(1, () => 0);
    assert.equal(clock.end(0), null);
    clock.begin();
    assert.equal(clock.end(5), 0);
  });
});
