import assert from 'node:assert/strict';
import { mkdir, readdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import fc from 'fast-check';
import { MAX_FILE_BYTES, MAX_PATH_LENGTH } from '../../../protocol/files.ts';
import { Owned } from '../../testing/owned.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { transfer } from '../../testing/transfer.ts';
import { lookAt } from '../disk/destination.ts';
import { acceptOffer } from './accept-offer.ts';

const file = (path: string, size_bytes = 1) => ({ path, size_bytes, sha256: 'a'.repeat(64) });

describe('an offer', () => {
  const owned = new Owned();
  afterEach(owned.end);

  const refused = [
    ['absolute', '/etc/passwd'],
    ['absolute on Windows', 'C:/x'],
    ['absolute on a network', '//host/x'],
    ['out of the folder', '../x'],
    ['out of the folder, later', 'a/../../x'],
    ['with a backslash', '..\\x'],
    ['with a NUL', 'x\0y'],
    ['with a line break', 'x\ny'],
    ['with a terminal’s control character', 'x\u009b2Jy'],
    ['a device', 'nul'],
    ['a device in a folder, with an ending', 'a/COM1.txt'],
    ['a device with a superscript', 'lpt².slp'],
    ['a console', 'conout$'],
    ['a device with a space', 'aux .txt'],
    ['ending with a dot', 'a./x'],
    ['a stream', 'a.txt:b'],
    ['half a character', 'a\ud800'],
    ['too long', `${'a/'.repeat(MAX_PATH_LENGTH / 2)}a`],
    ['with a part that is too long', 'é'.repeat(128)],
    ['among the unfinished', '.sleap-rtc-partial/x'],
    ['among the unfinished, elsewhere written', '.ſLEAP-RTC-PARTIAL/x'],
    ['empty', ''],
  ] as const;
  for (const [what, path] of refused) {
    it(`with a name that is ${what} is refused before anything is written`, async () => {
      const to = owned.add(await temporaryFolder()).path;
      const files = [
        { entry: file('fine/x'), absolutePath: '/dev/null' },
        { entry: file(path), absolutePath: '/dev/null' },
      ];
      assert.deepEqual((await transfer({ files, to })).codes, ['PATH_UNSAFE', 'PATH_UNSAFE']);
      assert.deepEqual(await readdir(to), []);
    });
  }

  const colliding = [
    ['in case', 'Labels.slp', 'labels.slp'],
    ['in the composition of a character', 'caf\u00e9.slp', 'cafe\u0301.slp'],
    ['in a sharp s', 'maße.slp', 'MASSE.slp'],
    ['in a long s', 'ſ.slp', 'S.slp'],
    ['in a sign for a letter', '\u212a.slp', 'k.slp'],
    ['in nothing', 'a', 'a'],
    ['in that one is the other’s folder', 'A/b', 'a'],
  ] as const;
  for (const [what, one, other] of colliding) {
    it(`with names that differ only ${what} is refused: some disk has one file for both`, () => {
      for (const pair of [
        [one, other],
        [other, one],
      ] as const) {
        assert.throws(() => acceptOffer([file(pair[0]), file('x'), file(pair[1])], {}), { code: 'PATH_UNSAFE' });
      }
    });
  }

  it('of a file that is too large, or has no size at all, is refused', () => {
    for (const size of [MAX_FILE_BYTES + 1, -1, 0.5, Number.NaN]) {
      assert.throws(() => acceptOffer([file('x', size)], {}), { code: 'PATH_UNSAFE' });
    }
    assert.throws(
      () =>
        acceptOffer(
          Array.from({ length: 10_001 }, (_, i) => file(`${i}`)),
          {},
        ),
      { code: 'PATH_UNSAFE' },
    );
  });

  it('with a link or something else in the way of a file is refused before anything is written', async () => {
    const to = owned.add(await temporaryFolder()).path;
    await mkdir(join(to, 'folder'));
    await writeFile(join(to, 'file'), 'x');
    await symlink(to, join(to, 'link'));
    await symlink(join(to, 'nowhere'), join(to, 'dangling'));
    const before = (await readdir(to)).sort();
    for (const path of ['folder', 'file/x', 'link', 'link/x', 'folder/../link/x', 'dangling', 'dangling/x']) {
      const files = [
        { entry: file('new/x'), absolutePath: '/dev/null' },
        { entry: file(path), absolutePath: '/dev/null' },
      ];
      assert.deepEqual((await transfer({ files, to })).codes, ['PATH_UNSAFE', 'PATH_UNSAFE'], path);
      assert.deepEqual((await readdir(to)).sort(), before);
    }
  });

  it('that is accepted has only distinct paths below the folder, whatever the names', async () => {
    const to = await realpath(owned.add(await temporaryFolder()).path);
    const part = fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '',
        'a',
        'A',
        'é',
        'e\u0301',
        'ß',
        'SS',
        'con',
        'C:',
        ' ',
        '\0',
        '~',
        '\\',
        '...',
        '\ud800',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    );
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    await fc.assert(
      fc.asyncProperty(fc.array(path, { maxLength: 5 }), async (paths) => {
        let accepted: string[];
        try {
          accepted = acceptOffer(
            paths.map((each) => file(each)),
            {},
          ).map((entry) => entry.path);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'PATH_UNSAFE');
          return;
        }
        for (const each of accepted) {
          const place = join(to, each);
          assert.equal(relative(to, place).split('/').join('/'), each, 'nothing in it is understood as something else');
          assert.ok(place.startsWith(`${to}/`));
          assert.equal(await lookAt(to, each), 'absent');
        }
        // As on a disk that ignores case and Unicode composition.
        const distinct = new Set(accepted.map((each) => each.normalize('NFD').toUpperCase().toLowerCase()));
        assert.equal(distinct.size, accepted.length);
      }),
      { numRuns: 500 },
    );
  });
});
