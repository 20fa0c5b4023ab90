import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { partialFolder, takeOverLeftovers } from './partial-folder.ts';

describe('results that a killed command has left', () => {
  let output: string;
  let deadPid: number;

  before(async () => {
    const process = execa('true');
    deadPid = process.pid ?? 0;
    await process;
  });
  beforeEach(async () => {
    output = await mkdtemp(join(tmpdir(), 'sleap-rtc-test-'));
  });
  afterEach(() => rm(output, { recursive: true }));

  const nameOf = (job: string, pid: number, host?: string): string => {
    const own = basename(partialFolder(output, job)).replace(`-${process.pid}.`, `-${pid}.`);
    return host === undefined ? own : own.replace(/-[A-Za-z0-9_]*-(?=\d+\.partial)/, `-${host}-`);
  };
  const leave = async (name: string): Promise<void> => {
    await mkdir(join(output, name));
    await writeFile(join(output, name, 'block'), 'x');
  };

  it('are taken over by the next command that follows the job, which need not fetch them again', async () => {
    await leave(nameOf('job00001', deadPid));
    await takeOverLeftovers(output, 'job00001');
    assert.deepEqual(await readdir(partialFolder(output, 'job00001')), ['block']);
  });

  it('are removed by a command that is about another job', async () => {
    await leave(nameOf('job00001', deadPid));
    await takeOverLeftovers(output, 'job00002');
    assert.deepEqual(await readdir(output), []);
  });

  it('are not confused with those of a living command, of another computer, or with the researcher’s files', async () => {
    const names = [nameOf('job00001', process.ppid), nameOf('job00001', deadPid, 'elsewhere'), '.my.partial'];
    for (const name of names) await leave(name);
    await takeOverLeftovers(output, 'job00001');
    assert.deepEqual((await readdir(output)).sort(), names.sort());
  });

  it('of another computer are removed after a week', async () => {
    const name = nameOf('job00001', deadPid, 'elsewhere');
    await leave(name);
    const then = new Date(Date.now() - 8 * 24 * 60 * 60 * 1000);
    await utimes(join(output, name), then, then);
    await takeOverLeftovers(output, 'job00002');
    assert.deepEqual(await readdir(output), []);
  });
});
