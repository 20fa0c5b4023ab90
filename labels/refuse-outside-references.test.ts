import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { File } from 'h5wasm/node';
import { refuseOutsideReferences } from './index.ts';

const FILES = join(import.meta.dirname, 'testing/hdf5');

describe('HDF5 that refers to other files', function () {
  this.timeout(30_000);
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sleap-rtc-labels-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const refuse = (path: string) => refuseOutsideReferences([{ path, name: 'flies.slp' }]);

  /** Makes a file of everything that stays inside: soft links, also to nothing, a ring of groups, attributes, many links. */
  function sound(path: string): void {
    const file = new File(path, 'w');
    file.create_dataset({ name: 'points', data: new Float64Array([1, 2, 3]) });
    file.create_group('a');
    const group = file.create_group('a/b');
    group.create_soft_link('/points', 'soft');
    group.create_soft_link('/nowhere', 'dangling');
    group.create_hard_link('/a', 'ring');
    for (let n = 0; n < 40; n++) group.create_attribute(`attribute-${n}`, 'x'.repeat(300));
    for (let n = 0; n < 40; n++) file.create_dataset({ name: `many-${n}`, data: new Uint8Array([n]) });
    file.close();
  }

  for (const name of readdirSync(FILES).sort()) {
    const what = /^(storage|link|virtual)/.exec(name)?.[0] ?? '';
    const words = {
      storage: /in external storage/,
      link: /an external link to "(\/srv\/)?others\.h5"/,
      virtual: /a virtual dataset/,
    };
    it(`refuses ${name}, naming the dataset`, async () => {
      await assert.rejects(refuse(join(FILES, name)), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'REFERS_OUTSIDE', error.message);
        assert.match(error.message, /^flies\.slp refers to another file: "\/(a\/)?(b\/)?(points|hidden)" is /);
        assert.match(error.message, words[what as keyof typeof words]);
        return true;
      });
    });
  }

  it('does not care for the name of a file', async () => {
    await copyFile(join(FILES, 'storage.old.slp'), join(folder, 'clip.mp4'));
    await assert.rejects(refuse(join(folder, 'clip.mp4')), { code: 'REFERS_OUTSIDE' });
  });

  it('accepts what stays in the file, and files that are not HDF5', async () => {
    const path = join(folder, 'sound.slp');
    sound(path);
    await refuse(path);
    await writeFile(join(folder, 'clip.mp4'), 'not HDF5');
    await refuse(join(folder, 'clip.mp4'));
  });

  it('finds the one file of many', async () => {
    const path = join(folder, 'sound.slp');
    sound(path);
    const files = [path, join(FILES, 'virtual.new.slp'), path];
    const named = files.map((path, index) => ({ path, name: `file ${index}` }));
    await assert.rejects(refuseOutsideReferences(named), { code: 'REFERS_OUTSIDE', message: /^file 1 refers/ });
  });

  it('refuses what it cannot judge: a list of links that breaks off is not taken for a short one', async () => {
    const bytes = await readFile(join(FILES, 'storage-among-many.old.slp'));
    const node = bytes.indexOf('SNOD', bytes.indexOf('SNOD') + 1);
    assert.ok(node > 0, 'the links are in two nodes');
    bytes.write('DONS', node, 'latin1');
    await writeFile(join(folder, 'broken.slp'), bytes);
    await assert.rejects(refuse(join(folder, 'broken.slp')), {
      code: 'LABELS_CORRUPT',
      message: /^flies\.slp is not a sound HDF5 file/,
    });
  });

  it('ends if its job is cancelled', async () => {
    const path = join(folder, 'sound.slp');
    sound(path);
    const cancelled = AbortSignal.abort(new Error('cancelled'));
    await assert.rejects(refuseOutsideReferences([{ path, name: 'a' }], cancelled), /cancelled/);
  });
});
