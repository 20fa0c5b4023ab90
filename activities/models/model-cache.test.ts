import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bucket } from '../../storage/index.ts';
import { describeFolder } from '../files/file-hashes.ts';
import { ModelCache } from './model-cache.ts';

const [FIRST, SECOND, THIRD] = ['11111111', '22222222', '33333333'] as const;
const signal = new AbortController().signal;

describe('the model cache of a worker', () => {
  let workDir: string;
  beforeEach(async () => {
    workDir = await mkdtemp(join(tmpdir(), 'sleap-rtc-cache-'));
  });
  afterEach(() => rm(workDir, { recursive: true, force: true }));

  /** Nothing is downloaded: the room has no model. */
  const bucket = {
    get: async () => undefined,
    run: (work: () => unknown) => work(),
  } as unknown as Bucket;
  const open = (maxBytes?: number) => new ModelCache({ bucket, workDir, maxBytes });
  const job = (modelId: string) => join(workDir, 'jobs', 'job1', modelId);
  const cached = async () => (await readdir(join(workDir, 'models'))).sort();

  /** Adds a model of 100 bytes that was used so long ago. */
  async function add(cache: ModelCache, modelId: string, agoMs = 0): Promise<void> {
    const folder = join(workDir, 'trained', modelId);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'best.ckpt'), modelId.repeat(100).slice(0, 100));
    await cache.add(modelId, folder, await describeFolder(folder));
    const used = new Date(Date.now() - agoMs);
    await utimes(join(cache.path(modelId), 'files.json'), used, used);
  }

  it('removes the models that were used longest ago when it exceeds its limit', async () => {
    const cache = open(250);
    await add(cache, FIRST, 2000);
    await add(cache, SECOND, 1000);
    await cache.place(FIRST, 'room', job(FIRST), { signal });
    await add(cache, THIRD);
    assert.deepEqual(await cached(), [FIRST, THIRD]);
  });

  it('has the model that was used last, even if it is larger than the limit', async () => {
    const cache = open(10);
    await add(cache, FIRST);
    assert.deepEqual(await cached(), [FIRST]);
  });

  it('does not take a model away from a job that uses it', async () => {
    const cache = open(150);
    await add(cache, FIRST, 1000);
    await cache.place(FIRST, 'room', job(FIRST), { signal });
    await add(open(150), SECOND);
    assert.deepEqual(await cached(), [SECOND]);
    assert.equal((await readFile(join(job(FIRST), 'best.ckpt'))).length, 100);
  });

  it('uses no model that has changed on the disk, even if its size is the same', async () => {
    const cache = open();
    await add(cache, FIRST);
    await writeFile(join(cache.path(FIRST), 'best.ckpt'), 'x'.repeat(100));
    assert.equal(await cache.has(FIRST), false);
    const placing = cache.place(FIRST, 'room', job(FIRST), { signal });
    await assert.rejects(placing, { code: 'MODEL_NOT_FOUND' }, 'it would be downloaded again');
  });

  it('can be shared by workers that add the same models at the same time', async () => {
    const caches = [open(150), open(150), open(150)];
    for (let round = 0; round < 5; round += 1) {
      const adding = caches.flatMap((cache) => [
        add(cache, FIRST).catch(ignoreRemoved),
        cache.add(SECOND, workDir, []),
      ]);
      await Promise.all(adding);
    }
    for (const name of await cached()) assert.equal(await open().has(name), true, name);
    assert.ok(
      (await cached()).every((name) => !name.startsWith('.')),
      'nothing is left behind',
    );
  });
});

/** The test sets the time of a model that another cache may just have removed. */
function ignoreRemoved(error: unknown): void {
  if (!(error instanceof Error && 'syscall' in error && error.syscall === 'utime')) throw error;
}
