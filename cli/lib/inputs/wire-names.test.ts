import assert from 'node:assert/strict';
import fc from 'fast-check';
import { FileList } from '../../../protocol/files.ts';
import { RunName } from '../../../protocol/jobs/job.ts';
import { WireNames } from './wire-names.ts';

const one = (name: string): string => new WireNames().forFile(`/data/${name}`);

describe('names on the wire', () => {
  const names: [what: string, own: string, wire: string][] = [
    ['a name that every system can store stays', 'Mäuse 1, [left] 100%.pkg.slp', 'Mäuse 1, [left] 100%.pkg.slp'],
    ['composed characters', 'e\u0301te\u0301.mp4', 'été.mp4'],
    ['a line break', 'a\nb.pkg.slp', 'a_b.pkg.slp'],
    ['a tab, a colon, a backslash', 'a\tb:c\\d.mp4', 'a_b_c_d.mp4'],
    ['an option', '-rf.mp4', '_rf.mp4'],
    ['a home folder', '~root.mp4', '_root.mp4'],
    ['a hidden file, whose predictions would be hidden, too', '.clip.mp4', '_clip.mp4'],
    ['a device', 'CON.pkg.slp', '_CON.pkg.slp'],
    ['a trailing dot', 'clip.', 'clip_'],
    ['a trailing space', 'clip.mp4 ', 'clip.mp4_'],
    ['a wildcard', '*?.mp4', '__.mp4'],
    ['what a config would replace', `labels_\${USER}.pkg.slp`, 'labels___USER_.pkg.slp'],
    ['nothing that could stay', '\u0001\u0002', '__'],
    ['the longest name that a disk has', `${'n'.repeat(247)}.pkg.slp`, `${'n'.repeat(192)}.pkg.slp`],
    ['long names of large characters', `${'標'.repeat(80)}.mp4`, `${'標'.repeat(65)}.mp4`],
  ];
  for (const [what, own, wire] of names)
    it(`${what}: ${JSON.stringify(own).slice(0, 40)}`, () => assert.equal(one(own), wire));

  it('are different for files that some system cannot distinguish', () => {
    const wire = new WireNames();
    const own = [
      'été.slp',
      'e\u0301te\u0301.slp',
      'ÉTÉ.slp',
      'straße.slp',
      'STRASSE.slp',
      'ſ.slp',
      's.slp',
      'été-2.slp',
    ];
    const names = own.map((name, n) => wire.forFile(`/data/${n}/${name}`));
    const files = names.map((path) => ({ path, size_bytes: 1, sha256: 'a'.repeat(64) }));
    assert.ok(FileList.safeParse(files).success, names.join(' '));
  });

  it('law: whatever the files are called, the server accepts the list, and no result is hidden or too long', () => {
    const part = fc.oneof(
      fc.constantFrom('.', ' ', '-', '~', '${', 'CON', 'é', 'E\u0301', '\n', '.pkg.slp'),
      fc.string({ unit: 'binary' }),
    );
    const name = fc
      .array(part, { minLength: 1, maxLength: 90 })
      .map((parts) => parts.join('').replaceAll(/[/\0]/g, ''));
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 8 }), (owned) => {
        const wire = new WireNames();
        const names = owned.filter((own) => !['', '.', '..'].includes(own)).map((own) => wire.forFile(own));
        const files = names.map((path) => ({ path, size_bytes: 1, sha256: 'a'.repeat(64) }));
        assert.ok(FileList.safeParse(files).success, JSON.stringify(names));
        for (const path of names) {
          assert.doesNotMatch(path, /^[-~.]|\$\{/);
          assert.ok(Buffer.byteLength(`${path}.predictions.slp`) <= 255);
        }
        const runs = new WireNames();
        for (const own of owned) assert.ok(RunName.safeParse(runs.forRun(`${own}.yaml`)).success);
      }),
    );
  });
});
