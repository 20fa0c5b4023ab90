import assert from 'node:assert/strict';
import { Liveness } from './liveness.ts';

describe('liveness', () => {
  it('beats, and calls a silent peer gone once', async () => {
    let beats = 0;
    const startedAt = performance.now();
    await new Promise<void>((resolve) => {
      new Liveness({ intervalMs: 10, silenceMs: 60, beat: () => beats++, onSilent: resolve });
    });
    assert.ok(beats >= 2);
    assert.ok(performance.now() - startedAt >= 60);
  });

  it('does not blame the peer for time in which this process was held up', async () => {
    let isGone = false;
    const liveness = new Liveness({
      intervalMs: 20,
      silenceMs: 200,
      beat: () => undefined,
      onSilent: () => {
        isGone = true;
      },
    });
    const until = performance.now() + 400;
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 50));
    liveness[Symbol.dispose]();
    assert.equal(isGone, false);
  });
});
