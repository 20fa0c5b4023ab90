import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { ownerArgument } from '../../activities/sleap-nn/index.ts';
import { processesGone } from '../../stack/testing/processes-gone.ts';
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

  it('no longer holds the GPU when the next one takes jobs; another worker’s is let be', async function () {
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

  it('is kept for a job that may come back, and removed after a day', async () => {
    for (const job of ['old', 'new']) await mkdir(join(workDir, 'jobs', job), { recursive: true });
    const before = new Date(Date.now() - 25 * 60 * 60_000);
    await utimes(join(workDir, 'jobs', 'old'), before, before);
    await endLeftovers(workDir, logger);
    assert.deepEqual(await readdir(join(workDir, 'jobs')), ['new']);
  });
});
