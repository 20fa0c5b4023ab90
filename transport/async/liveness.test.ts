import assert from 'node:assert/strict';
import { Liveness } from './liveness.ts';

describe('liveness', () => {
  it('sends heartbeats, and reports a silent peer once', async () => {
    let beats = 0;
    const startedAt = performance.now();
    await new Promise<void>((resolve) => {
      new Liveness({ intervalMs: 10, silenceTimeoutMs: 60, beat: () => beats++, onSilent: resolve });
    });
    assert.ok(beats >= 2);
    assert.ok(performance.now() - startedAt >= 60);
  });

  it('does not blame the peer for time in which this process was blocked', async () => {
    let isGone = false;
    const liveness = new Liveness({
      intervalMs: 20,
      silenceTimeoutMs: 200,
      beat: () => undefined,
      onSilent: () => {
        isGone = true;
      },
    });
    const until = performance.now() + 400;
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 50));
    liveness.stop();
    assert.equal(isGone, false);
  });
});
