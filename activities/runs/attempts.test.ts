import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { FileHashes } from '../files/file-hashes.ts';
import { Sandbox } from '../sandbox/index.ts';
import { finishAttempt, lineage, listAttempts, newAttempt } from './attempts.ts';
import { collectModel } from './collect-model.ts';
import { findResumePoint } from './inspect-checkpoint.ts';

describe('attempts of a run', () => {
  let work: string;
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'sleap-rtc-attempts-'));
  });
  afterEach(() => rm(work, { recursive: true, force: true }));

  async function attempt(from: Awaited<ReturnType<typeof newAttempt>> | undefined, files: Record<string, string>) {
    const made = await newAttempt(work, 'run', from, 1);
    await mkdir(made.runFolder);
    for (const [name, text] of Object.entries(files)) await writeFile(join(made.runFolder, name), text);
    return made;
  }

  it('get consecutive numbers, and one without a record is ignored', async () => {
    await attempt(undefined, {});
    await mkdir(join(work, 'attempt-2'));
    const third = await attempt(undefined, {});
    assert.equal(third.number, 3);
    assert.deepEqual(
      (await listAttempts(work, 'run')).map(({ number }) => number),
      [1, 3],
    );
  });

  it('that began at epoch 0 do not build on the ones before', async () => {
    const first = await attempt(undefined, {});
    const second = await attempt(undefined, {});
    const third = await finishAttempt(await attempt(second, {}));
    assert.ok(third.finished_at !== null);
    const chain = lineage(await listAttempts(work, 'run'), third);
    assert.deepEqual(
      chain.map(({ number }) => number),
      [second.number, third.number],
    );
    assert.ok(!chain.some(({ number }) => number === first.number));
  });

  it('give the best checkpoint of all, although a resumed sleap-nn forgets the best score so far', async () => {
    const header = 'epoch,train/loss,val/loss';
    const first = await attempt(undefined, {
      'best.ckpt': 'better',
      'last.ckpt': 'x',
      'training_log.csv': `${header}\n0,,0.1\n`,
    });
    const second = await attempt(first, { 'best.ckpt': 'worse', 'training_log.csv': `${header}\n1,,0.2\n` });
    const folder = join(work, 'model');
    const { files, log } = await collectModel([first, second], folder, new FileHashes());
    assert.deepEqual(
      files.map(({ path, size_bytes }) => [path, size_bytes]),
      [
        ['best.ckpt', 'better'.length],
        ['training_log.csv', `${header}\n0,,0.1\n1,,0.2\n`.length],
      ],
    );
    assert.equal(log.epochs.length, 2);
  });

  it('are ignored if their last checkpoint does not load', async () => {
    await attempt(undefined, { 'last.ckpt': 'cut short' });
    const options = {
      sandbox: Sandbox.none('python3'),
      logger: pino({ level: 'silent' }),
      signal: AbortSignal.timeout(20_000),
    };
    assert.equal(await findResumePoint(await listAttempts(work, 'run'), options), undefined);
  });
});
