import assert from 'node:assert/strict';
import { chmod, mkdir, truncate, writeFile } from 'node:fs/promises';
import { EMBEDDED, hdf5 } from '../../testing/fixtures.ts';
import { TestHome } from '../../testing/run-cli.ts';
import { checkLabels, checkTrainingLabels } from './labels-file.ts';

describe('labels check', () => {
  let home: TestHome;
  beforeEach(async () => {
    home = await TestHome.make();
  });
  afterEach(() => home[Symbol.asyncDispose]());

  async function file(name: string, content: Buffer | string): Promise<string> {
    await writeFile(home.path(name), content);
    return home.path(name);
  }

  it('accepts whole labels with images, in every superblock that SLEAP’s HDF5 writes', async () => {
    for (const version of [0, 2] as const) {
      assert.equal(await checkTrainingLabels(await file('a.pkg.slp', hdf5({ size: 2048, version }))), 2048);
    }
  });

  it('accepts labels behind a user block, also one that was added later', async () => {
    await checkLabels(await file('a.pkg.slp', hdf5({ size: 4096, userBlock: 512 })));
    const moved = Buffer.concat([Buffer.alloc(1024), hdf5({ size: 2048 })]);
    await checkLabels(await file('b.pkg.slp', moved));
    await assert.rejects(checkLabels(await file('c.pkg.slp', moved.subarray(0, 3000))), { code: 'LABELS_CORRUPT' });
  });

  it('says that a file cut short at any length is cut short, not that it is something else', async () => {
    for (const length of [64, 100, 2047]) {
      const path = await file('a.pkg.slp', hdf5({ size: 2048 }));
      await truncate(path, length);
      await assert.rejects(checkLabels(path), {
        code: 'LABELS_CORRUPT',
        message: /cut short: it should have 2048 bytes/,
      });
    }
    await assert.rejects(checkLabels(await file('e.pkg.slp', '')), { code: 'LABELS_CORRUPT', message: /is empty/ });
  });

  it('distinguishes a file that is not labels from damaged labels', async () => {
    await assert.rejects(checkLabels(await file('a.pkg.slp', 'hello')), { code: 'LABELS_INVALID' });
    await assert.rejects(checkLabels(await file('b.pkg.slp', Buffer.alloc(100_000))), { code: 'LABELS_INVALID' });
    const damaged = hdf5({ size: 2048 });
    damaged[8] = 77;
    await assert.rejects(checkLabels(await file('c.pkg.slp', damaged)), { code: 'LABELS_CORRUPT' });
  });

  it('refuses labels without images, whose videos no worker has', async () => {
    const path = await file('a.slp', hdf5({ size: 4096, text: '{"filename":"clip.mp4","dataset":""}' }));
    await assert.rejects(checkTrainingLabels(path), { code: 'LABELS_INVALID', remedy: /Export/ });
    await checkTrainingLabels(await file('b.slp', hdf5({ size: 4096, text: EMBEDDED })));
  });

  it('finds embedded images whose name is split between two reads', async () => {
    const path = await file('a.slp', hdf5({ size: 2 ** 20 + 4096, text: '' }));
    const bytes = hdf5({ size: 2 ** 20 + 4096 });
    bytes.write('video0/video', 2 ** 20 - 5);
    await writeFile(path, bytes);
    await checkTrainingLabels(path);
  });

  it('says why a path cannot be used: absent, a folder, not readable', async () => {
    await assert.rejects(checkLabels(home.path('nothing.slp')), { code: 'FILE_NOT_FOUND', message: /does not exist/ });
    await mkdir(home.path('folder.slp'));
    await assert.rejects(checkLabels(home.path('folder.slp')), { code: 'FILE_NOT_FOUND', message: /is not a file/ });
    const secret = await file('secret.slp', 'x');
    await chmod(secret, 0);
    // Root may read everything.
    if (process.getuid?.() !== 0)
      await assert.rejects(checkLabels(secret), { code: 'FILE_NOT_FOUND', message: /cannot be read/ });
  });
});
