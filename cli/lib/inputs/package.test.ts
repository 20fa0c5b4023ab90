import assert from 'node:assert/strict';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { unsafePathReason } from '../../../protocol/files.ts';
import { configYaml, EMBEDDED, hdf5 } from '../../testing/fixtures.ts';
import { TestHome } from '../../testing/run-cli.ts';
import { writeZip, type ZipMember } from '../../testing/zip.ts';
import { openPackage } from './package.ts';

const LABELS: ZipMember = { name: 'flies.pkg.slp', content: hdf5({ size: 4096, text: EMBEDDED }) };
const JOBS: ZipMember = {
  name: 'jobs.yaml',
  content: `training:
- {cfg: centroid.yaml, run_path: models/261124_102602.centroid.n=40, train_labels: flies.pkg.slp}
- {cfg: centered_instance.yaml, run_path: models/261124_102602.centered_instance.n=40, train_labels: flies.pkg.slp}
inference: []
`,
};
const GOOD: ZipMember[] = [
  LABELS,
  JOBS,
  { name: 'centroid.yaml', content: configYaml('centroid') },
  { name: 'centered_instance.yaml', content: configYaml('centered_instance') },
  { name: 'train-script.sh', content: '#!/bin/sh\nrm -rf /\n', mode: 0o100755 },
  { name: 'inference-script.sh', content: 'sleap-nn predict\n' },
];

describe('training job package', () => {
  let home: TestHome;
  beforeEach(async () => {
    home = await TestHome.make();
    process.env.TMPDIR = home.folder;
  });
  afterEach(async () => {
    delete process.env.TMPDIR;
    await home[Symbol.asyncDispose]();
  });

  const zip = (members: ZipMember[], alter?: (bytes: Buffer) => Buffer): Promise<string> =>
    writeZip(home.path('p.training_job.zip'), members, alter);

  /** A refused package must leave no files. */
  async function refused(members: ZipMember[], expected: object, alter?: (bytes: Buffer) => Buffer): Promise<void> {
    await assert.rejects(openPackage(await zip(members, alter)), expected);
    assert.deepEqual(await readdir(home.folder), ['p.training_job.zip']);
  }

  it('reads which config trains on which labels, and unpacks those files only', async () => {
    const unpacked = await openPackage(await zip(GOOD));
    assert.deepEqual(unpacked.trainings, [
      { config: 'centroid.yaml', trainLabels: ['flies.pkg.slp'], valLabels: [] },
      { config: 'centered_instance.yaml', trainLabels: ['flies.pkg.slp'], valLabels: [] },
    ]);
    assert.deepEqual(await readFile(unpacked.path('flies.pkg.slp')), LABELS.content);
    const folder = unpacked.path('');
    assert.deepEqual((await readdir(folder)).sort(), ['centered_instance.yaml', 'centroid.yaml', 'flies.pkg.slp']);
    await unpacked.close();
    await assert.rejects(readdir(folder), { code: 'ENOENT' });
  });

  it('reads a package that was unpacked and zipped again, with what macOS adds', async () => {
    const wrapped = GOOD.map((member) => ({ ...member, name: `my package/${member.name}` }));
    const unpacked = await openPackage(
      await zip([...wrapped, { name: '__MACOSX/my package/._jobs.yaml', content: 'x' }]),
    );
    assert.equal(unpacked.trainings.length, 2);
    await unpacked.close();
  });

  for (const name of [
    '../x',
    'a/../../x',
    '/etc/passwd',
    'C:\\x',
    '..\\x',
    'a//b',
    'nul',
    'a\u0000b',
    'x/.',
    'con.txt',
  ]) {
    it(`refuses the file name ${JSON.stringify(name)}, which could be written outside of its folder or not at all`, async () => {
      await refused([...GOOD, { name, content: 'x' }], { code: 'PATH_UNSAFE' });
    });
  }

  it('refuses links and devices, which could lead outside', async () => {
    await refused([...GOOD, { name: 'link', content: '/etc/passwd', mode: 0o120777 }], { code: 'PATH_UNSAFE' });
    await refused([...GOOD, { name: 'pipe', content: '', mode: 0o010644 }], { code: 'PATH_UNSAFE' });
  });

  it('refuses two files of one name, in any case or spelling, and a file that is also a folder', async () => {
    for (const name of ['flies.pkg.slp', 'FLIES.pkg.slp']) {
      await refused([...GOOD, { name, content: 'x' }], { code: 'PACKAGE_INVALID', message: /same name/ });
    }
    const twice = [
      { name: 'caf\u00e9', content: 'x' },
      { name: 'cafe\u0301', content: 'x' },
    ];
    await refused([...GOOD, ...twice], { code: 'PACKAGE_INVALID', message: /same name/ });
    await refused([...GOOD, { name: 'jobs.yaml/x', content: 'x' }], { code: 'PACKAGE_INVALID', message: /same name/ });
  });

  it('refuses a package that would fill the disk when unpacked', async () => {
    const bomb = { name: 'flies.pkg.slp', content: Buffer.alloc(80 * 2 ** 20) };
    await refused([...GOOD.slice(1), bomb], { code: 'PACKAGE_INVALID', message: /implausibly large/ });
    const config = { name: 'centroid.yaml', content: ' '.repeat(2 ** 21) };
    await refused([...GOOD.filter(({ name }) => name !== config.name), config], { message: /too large/ });
  });

  it('refuses an entry that is larger than its declared size', async () => {
    // The uncompressed size is in the central directory, 24 bytes into the entry.
    const understate = (bytes: Buffer): Buffer => {
      const changed = Buffer.from(bytes);
      changed.writeUInt32LE(10, changed.indexOf(Buffer.from([0x50, 0x4b, 1, 2])) + 24);
      return changed;
    };
    await refused(GOOD, { code: 'PACKAGE_INVALID', message: /damaged/ }, understate);
  });

  it('refuses a package in which one bit of the labels has changed', async () => {
    const stored = GOOD.map((member) => ({ ...member, compress: false }));
    const flip = (bytes: Buffer): Buffer => {
      const changed = Buffer.from(bytes);
      const at = changed.indexOf('video0/video');
      changed[at] = (changed[at] ?? 0) ^ 1;
      return changed;
    };
    await refused(stored, { code: 'PACKAGE_INVALID', message: /damaged/ }, flip);
  });

  it('refuses a file that is not a zip, or is half of one', async () => {
    await writeFile(home.path('p.training_job.zip'), 'PK, but not really');
    await assert.rejects(openPackage(home.path('p.training_job.zip')), { code: 'PACKAGE_INVALID' });
    const path = await zip(GOOD);
    await truncate(path, 900);
    await assert.rejects(openPackage(path), { code: 'PACKAGE_INVALID', message: /not a complete zip/ });
  });

  it('refuses a package without a usable jobs.yaml, naming the missing part', async () => {
    const without = (name: string): ZipMember[] => GOOD.filter((member) => member.name !== name);
    await refused(without('jobs.yaml'), { code: 'PACKAGE_INVALID', message: /has no jobs\.yaml/ });
    await refused(without('flies.pkg.slp'), {
      code: 'PACKAGE_INVALID',
      message: /names "flies\.pkg\.slp", which is not/,
    });
    for (const content of ['training: []', 'training: 3', '- a', ': {', '[', 'training: [{cfg: centroid.yaml}]', '']) {
      await refused([...without('jobs.yaml'), { name: 'jobs.yaml', content }], { code: 'PACKAGE_INVALID' });
    }
  });

  it('says how to convert the JSON configs of old packages', async () => {
    const jobs = { name: 'jobs.yaml', content: 'training: [{cfg: centroid.json, train_labels: flies.pkg.slp}]' };
    const old = [LABELS, jobs, { name: 'centroid.json', content: '{}' }];
    await refused(old, { code: 'CONFIG_JSON_UNSUPPORTED', remedy: /export it again/ });
  });

  it('does not read outside of the package, whatever jobs.yaml names', async () => {
    for (const cfg of ['../../etc/passwd', '/etc/passwd', 'centroid.yaml/../../x']) {
      const content = `training: [{cfg: ${cfg}, train_labels: flies.pkg.slp}]`;
      const members = [...GOOD.filter(({ name }) => name !== 'jobs.yaml'), { name: 'jobs.yaml', content }];
      await refused(members, { code: 'PACKAGE_INVALID', message: /which is not in the package/ });
    }
  });

  it('law: a name is accepted only if it is safe on every system', async () => {
    const segment = fc.oneof(
      fc.constantFrom('..', '.', '', 'a', 'CON', 'x.', ' ', 'c:', '\\', 'é', '\u0001'),
      fc.string({ minLength: 1, maxLength: 6 }),
    );
    const names = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    await fc.assert(
      fc.asyncProperty(
        // Names that UTF-8 cannot encode do not come out of the archive as they went in.
        names.filter((name) => name.isWellFormed() && Buffer.byteLength(name) > 2 && !name.endsWith('/')),
        async (name) => {
          fc.pre(!GOOD.some((member) => member.name === name));
          const opened = openPackage(await zip([...GOOD, { name, content: 'x' }]));
          const litter = /^__MACOSX\/|\.DS_Store$/.test(name);
          const safe = unsafePathReason(name) === undefined || litter;
          try {
            await (await opened).close();
            assert.ok(safe, `${JSON.stringify(name)} was accepted`);
          } catch (error) {
            assert.ok(!safe, `${JSON.stringify(name)} was refused: ${String(error)}`);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
