import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeLeftJobs } from './left-jobs.ts';

const DAY_MS = 24 * 60 * 60_000;

describe('folders of jobs that a worker has kept', () => {
  let jobs: string;
  beforeEach(async () => {
    jobs = await mkdtemp(join(tmpdir(), 'sleap-rtc-left-'));
    await job('waits', 1000, 'dataset');
    await job('old', 2 * DAY_MS, 'dataset');
    await job('refused', 2 * DAY_MS, 'models');
    await job('refused-long-ago', 15 * DAY_MS, 'models');
    await job('running', 2 * DAY_MS, 'dataset');
  });
  afterEach(() => rm(jobs, { recursive: true, force: true }));

  async function job(id: string, agoMs: number, folder: 'dataset' | 'models'): Promise<void> {
    await mkdir(join(jobs, id, folder), { recursive: true });
    await writeFile(join(jobs, id, folder, 'file'), 'x');
    const at = new Date(Date.now() - agoMs);
    await utimes(join(jobs, id), at, at);
  }

  it('are removed after a day, finished work after two weeks, the present job never', async () => {
    assert.deepEqual((await removeLeftJobs(jobs, { except: 'running' })).sort(), ['old', 'refused-long-ago']);
    assert.deepEqual((await readdir(jobs)).sort(), ['refused', 'running', 'waits']);
  });

  it('are removed at once if the disk is full, except finished work', async () => {
    await removeLeftJobs(jobs, { except: 'running', all: true });
    assert.deepEqual((await readdir(jobs)).sort(), ['refused', 'running']);
  });
});
