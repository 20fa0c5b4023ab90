import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { Manifest } from '../../protocol/models/manifest.ts';

const QUICKSTART = join(import.meta.dirname, '../../quickstart');

const Output = z.object({
  ok: z.literal(true),
  room: z.string(),
  job: z.string(),
  model: z.string(),
  alias: z.literal('flies'),
  manifest: z.string(),
  seconds: z.object({ setup: z.number(), job: z.number() }),
});

describe('./quickstart', function () {
  this.timeout(400_000);
  /** The parent of its temporary folders, by which its processes can be distinguished from others. */
  let temporary: string;

  beforeEach(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'quickstart-test-'));
  });
  afterEach(() => rm(temporary, { recursive: true, force: true }));

  const start = () =>
    execa(QUICKSTART, ['--json'], { env: { TMPDIR: temporary }, reject: false, stdin: 'ignore', lines: false });

  /** Checks that none of its processes runs, and that its temporary folder is gone. (Node and torch have caches of their own there.) */
  async function leftNothing(): Promise<void> {
    const left = (await readdir(temporary)).filter((name) => name.startsWith('sleap-rtc'));
    assert.deepEqual(left, []);
    const { stdout } = await execa('ps', ['-e', '-o', 'args']);
    assert.deepEqual(
      stdout.split('\n').filter((line) => line.includes(temporary)),
      [],
    );
  }

  it('publishes a model, twice at once', async () => {
    const both = await Promise.all([start(), start()]);
    const outputs = both.map(({ exitCode, stdout, stderr }) => {
      assert.equal(exitCode, 0, stderr);
      return Output.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
    });
    assert.equal(new Set(outputs.map(({ room }) => room)).size, 2);
    for (const { manifest, model, room } of outputs) {
      const published = Manifest.parse(JSON.parse(await readFile(manifest, 'utf8')));
      assert.equal(published.room_id, room);
      assert.ok(published.models[model]);
      await rm(join(manifest, '..'), { recursive: true });
    }
    await leftNothing();
  });

  it('leaves nothing running when it is interrupted while training', async () => {
    const running = start();
    const training = Promise.withResolvers<void>();
    running.stderr.on('data', (chunk: Buffer) => /epoch 1\/5/.test(chunk.toString()) && training.resolve());
    await Promise.race([training.promise, running]);
    running.kill('SIGINT');
    const { exitCode, stdout } = await running;
    assert.equal(exitCode, 130);
    assert.equal(JSON.parse(stdout).error.code, 'INTERRUPTED');
    await leftNothing();
  });
});
