import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { startProcess } from './process.ts';

const readyLine = z.object({ event: z.literal('ready') }).loose();
const url = (line: unknown): string | undefined =>
  readyLine.safeParse(line).success ? z.object({ url: z.string() }).parse(line).url : undefined;

describe('startProcess', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-process-'));
  });
  after(() => rm(dir, { recursive: true, force: true }));
  const start = (script: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
    startProcess({ name: 'program', command: process.execPath, args: ['-e', script], dir, ready: url, ...options });

  it('returns what the program announces, past lines that are not JSON', async () => {
    const child = await start(`
      console.log('{ not json'); console.log('plain'); console.log(JSON.stringify({ event: 'starting' }));
      console.log(JSON.stringify({ event: 'ready', url: 'http://127.0.0.1:1' })); setInterval(() => {}, 1000);`);
    assert.equal(child.announced, 'http://127.0.0.1:1');
    await child.stop();
    assert.equal(child.running, false);
  });

  it('fails with the last lines of the log when the program ends before it is ready', async () => {
    await assert.rejects(start(`console.error('no such table'); process.exitCode = 4;`), (error: unknown) => {
      assert(error instanceof SleapRtcError);
      assert.match(error.message, /program ended before it was ready \(exit code 4\)/);
      assert.match(error.message, /no such table/);
      assert.match(error.remedy, /program\.log/);
      return true;
    });
  });

  it('fails, and leaves nothing running, when the program reports nothing in time', async () => {
    await assert.rejects(start('setInterval(() => {}, 1000)', { timeoutMs: 300 }), /was not ready after 0.3 s/);
  });

  it('fails when the ready line does not announce all that it should', async () => {
    await assert.rejects(start(`console.log(JSON.stringify({ event: 'ready' })); setInterval(() => {}, 1000);`), /url/);
  });

  it('stops waiting when it is aborted', async () => {
    const abort = new AbortController();
    const starting = start('setInterval(() => {}, 1000)', { signal: abort.signal });
    abort.abort();
    await assert.rejects(starting);
  });
});
