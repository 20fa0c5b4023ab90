import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { FreezeWatch } from './freeze-watch.ts';

const CHECK_MS = 40;
const LIMIT_MS = 400;

describe('a process that stands still', function () {
  this.timeout(30_000);

  it('is noticed if it is stopped, also if only its child works; one that works or reports is left alone', async () => {
    // The shell waits for a child that works.
    const shell = spawn('sh', ['-c', `"${process.execPath}" -e 'for(;;);'; true`], { detached: true });
    const { pid } = shell;
    assert.ok(pid !== undefined);
    const said: string[] = [];
    const frozen = Promise.withResolvers<number>();
    const watch = new FreezeWatch({
      pid: () => pid,
      limitMs: () => LIMIT_MS,
      onSilent: () => said.push('silent'),
      onFrozen: frozen.resolve,
      checkMs: CHECK_MS,
    });
    try {
      await sleep(3 * LIMIT_MS);
      assert.deepEqual(said, [], 'it works, and sends nothing');
      process.kill(-pid, 'SIGSTOP');
      for (let n = 0; n < 10; n += 1) {
        await sleep(LIMIT_MS / 5);
        watch.onEvent();
      }
      assert.deepEqual(said, [], 'something comes from it');
      assert.ok((await frozen.promise) >= LIMIT_MS);
      assert.deepEqual(said, ['silent']);
    } finally {
      watch.close();
      process.kill(-pid, 'SIGKILL');
    }
  });
});
