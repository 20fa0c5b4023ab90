import assert from 'node:assert/strict';
import { resolve, sep } from 'node:path';
import fc from 'fast-check';
import { FileList, RelPath, unsafePathReason } from './files.ts';

describe('paths from the wire', () => {
  it('never let a file leave the folder it is meant for, whatever the name', () => {
    const part = fc.oneof(
      fc.constantFrom('..', '.', '', 'a', 'C:', '~', '\\', 'x\0y', '…'),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
        const path = parts.join('/');
        if (unsafePathReason(path) !== undefined) return;
        const root = resolve('/folder');
        assert.ok(resolve(root, path).startsWith(root + sep), path);
      }),
    );
  });

  for (const path of [
    '/etc/passwd',
    '../x',
    'a/../../x',
    'a//b',
    './a',
    'C:\\x',
    'a\\b',
    'nul',
    'COM1.txt',
    'a.',
    'a ',
    'x\0',
    '',
  ]) {
    it(`refuses ${JSON.stringify(path)}`, () => assert.notEqual(unsafePathReason(path), undefined));
  }

  for (const path of ['labels.pkg.slp', 'models/261124_102602.centroid.n=40/best.ckpt', 'vidéo 1.mp4', '.hidden']) {
    it(`accepts ${JSON.stringify(path)}`, () => assert.equal(unsafePathReason(path), undefined));
  }

  it('refuses what a config would replace by a variable of the worker', () => {
    for (const path of [`\${oc.env:HOME}.slp`, `a/labels_\${USER}.pkg.slp`]) {
      assert.equal(RelPath.safeParse(path).success, false, path);
    }
    assert.equal(RelPath.safeParse('$HOME {1}.slp').success, true);
  });

  it('refuses two names that a Mac or Windows disk would store as one', () => {
    const file = (path: string) => ({ path, size_bytes: 1, sha256: 'a'.repeat(64) });
    assert.equal(FileList.safeParse([file('A.slp'), file('a.slp')]).success, false);
    assert.equal(FileList.safeParse([file('A.slp'), file('b.slp')]).success, true);
  });
});
