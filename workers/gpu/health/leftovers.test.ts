import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { ownerArgument } from '../../../activities/sleap-nn/index.ts';
import { processesGone } from '../../../stack/testing/processes-gone.ts';
import { readGpuWorkerConfig } from '../config.ts';
import { startGpuWorker } from '../gpu-worker.ts';
import { endLeftovers } from './leftovers.ts';

const logger = pino({ level: 'silent' });

describe('what an earlier process of the worker left', () => {
  let workDir: string;

  beforeEach(async () => {
    workDir = await mkdtemp(join(tmpdir(), 'sleap-rtc-leftovers-'));
  });
  afterEach(() => rm(workDir, { recursive: true, force: true }));

  /** A process group as a launcher makes one, with a child in it that does not carry the argument. */
  async function leave(owner: string): Promise<number> {
    const program =
      'import os, subprocess, sys; c = subprocess.Popen(["sleep", "100"]); print(c.pid, flush=True); c.wait()';
    const left = spawn('python3', ['-c', program, ownerArgument(owner)], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise((resolve) => left.stdout.once('data', resolve));
    assert.ok(left.pid !== undefined);
    return left.pid;
  }

  it('no longer uses the GPU when the next one takes jobs; another worker’s is left alone', async function () {
    if (process.platform !== 'linux') this.skip();
    const [ours, others] = await Promise.all([leave(workDir), leave(`${workDir}-2`)]);
    try {
      await endLeftovers(workDir, logger);
      await processesGone([ours]);
      process.kill(others, 0);
    } finally {
      process.kill(-others, 'SIGKILL');
    }
  });

  it('is not ended by a process that the room refuses: the worker of that name may still run', async function () {
    if (process.platform !== 'linux') this.skip();
    const stop = new AbortController();
    const refusing = createServer((_request, response) => {
      response.writeHead(503).end();
      stop.abort();
    });
    refusing.listen(0, '127.0.0.1');
    await once(refusing, 'listening');
    const { port } = refusing.address() as AddressInfo;
    const config = readGpuWorkerConfig({
      SLEAP_RTC_SERVER: `http://127.0.0.1:${port}`,
      SLEAP_RTC_ROOM: 'lab-mice',
      SLEAP_RTC_TOKEN: 'token',
      SLEAP_RTC_ROOM_KEY: 'A'.repeat(43),
      SLEAP_RTC_WORKER_DIR: workDir,
      SLEAP_RTC_SLEAP_NN_PYTHON: 'python3',
    });
    const running = await leave(workDir);
    try {
      await assert.rejects(startGpuWorker(config, { logger, signal: stop.signal, drain: stop.signal }));
      process.kill(running, 0);
    } finally {
      process.kill(-running, 'SIGKILL');
      refusing.close();
    }
  });

  it('stays for a job that may return, and is removed after a day', async () => {
    for (const job of ['old', 'new']) await mkdir(join(workDir, 'jobs', job), { recursive: true });
    const before = new Date(Date.now() - 25 * 60 * 60_000);
    await utimes(join(workDir, 'jobs', 'old'), before, before);
    await endLeftovers(workDir, logger);
    assert.deepEqual(await readdir(join(workDir, 'jobs')), ['new']);
  });
});
