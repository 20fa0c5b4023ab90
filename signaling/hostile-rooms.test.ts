import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { attackRoom } from './testing/hostile-rooms.ts';
import type { HostileServerReport } from './testing/hostile-server.ts';

const ROOMS = Array.from({ length: 20 }, (_, n) => `hostile-${n}`);
/** Megabytes that the process may have at most, and that its objects may need afterwards. Before, it has about 180, and 39. */
const MAX_PEAK_MB = 600;
const MAX_AFTER_MB = 60;

describe('a server with 20 rooms in which somebody with only their tokens tries to fill its memory', function () {
  this.timeout(170_000);

  it('needs a bounded amount of it, and frees what the rooms had', async () => {
    const child = fork(fileURLToPath(new URL('testing/hostile-server.ts', import.meta.url)), ROOMS, {
      execArgv: ['--disable-warning=ExperimentalWarning', '--expose-gc'],
    });
    const heard = async () => (await once(child, 'message'))[0] as HostileServerReport;
    try {
      const started = await heard();
      assert.ok('url' in started);
      const memory = async () => {
        child.send('report');
        const report = await heard();
        assert.ok('rssBytes' in report);
        return Object.fromEntries(Object.entries(report).map(([key, bytes]) => [key, Math.round(bytes / 1e6)]));
      };
      const attacks = ROOMS.map((roomId, n) =>
        attackRoom({ url: started.url, roomId, token: 'token', address: `192.0.2.${n}` }),
      );
      const sockets = (await Promise.all(attacks)).flat();
      // What has been sent is worked off while the slow readers are still there.
      let under = await memory();
      for (let stable = 0; stable < 4; ) {
        await sleep(1000);
        const now = await memory();
        stable = now.peakBytes === under.peakBytes ? stable + 1 : 0;
        under = now;
      }
      for (const socket of sockets) socket.terminate();
      await sleep(3000);
      const after = await memory();
      assert.ok((under.peakBytes ?? 0) < MAX_PEAK_MB, `its peak was ${under.peakBytes} MB`);
      assert.ok((after.heapBytes ?? 0) < MAX_AFTER_MB, `its objects still need ${after.heapBytes} MB`);
    } finally {
      child.kill();
    }
  });
});
