import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configYaml, hdf5, writeLabels } from '../testing/fixtures.ts';
import { type CliResult, deadServer, TestHome } from '../testing/run-cli.ts';
import { writeZip } from '../testing/zip.ts';

describe('sleap-rtc train, with bad input', () => {
  let home: TestHome;
  beforeEach(async () => {
    home = await TestHome.make();
    Object.assign(home.env, {
      SLEAP_RTC_SERVER: await deadServer(),
      SLEAP_RTC_ROOM: 'lab-mice',
      SLEAP_RTC_TOKEN: 'secret-token',
      SLEAP_RTC_ROOM_KEY: Buffer.alloc(32, 'key').toString('base64url'),
    });
    await writeLabels(home.path('good.pkg.slp'));
    await writeFile(home.path('good.yaml'), configYaml());
  });
  afterEach(() => home[Symbol.asyncDispose]());

  /** Checks for one clear sentence with the code and one remedy; nothing on stdout, no stack, no secret, no incomplete files. */
  async function refused(args: string[], exitCode: number, code: string, words: RegExp): Promise<CliResult> {
    const before = await readdir(home.folder);
    const result = await home.run('train', ...args);
    const [sentence = '', ...remedy] = result.stderr.split('\n');
    assert.equal(result.exitCode, exitCode, result.stderr);
    assert.match(sentence, new RegExp(`^Error: .*[.] \\[${code}\\]$`));
    assert.match(sentence, words);
    assert.equal(remedy.length, 1, result.stderr);
    assert.equal(result.stdout, '');
    assert.doesNotMatch(result.stderr, /secret-token| at .*\.ts:|ExperimentalWarning/);
    assert.deepEqual(await readdir(home.folder), before);
    return result;
  }

  it('no such file', () =>
    refused(['nothing.pkg.slp', '-c', 'good.yaml'], 2, 'FILE_NOT_FOUND', /nothing\.pkg\.slp does not exist/));

  it('no such package', () => refused(['nothing.training_job.zip'], 2, 'FILE_NOT_FOUND', /nothing.*does not exist/));

  it('not a labels file', async () => {
    await writeFile(home.path('notes.slp'), 'hello');
    await refused(['notes.slp', '-c', 'good.yaml'], 2, 'LABELS_INVALID', /notes\.slp is not a SLEAP labels file/);
  });

  it('corrupt labels', async () => {
    await truncate(home.path('good.pkg.slp'), 3000);
    await refused(['good.pkg.slp', '-c', 'good.yaml'], 2, 'LABELS_CORRUPT', /should have 4096 bytes and has 3000/);
  });

  it('labels that refer to another file, given as labels, for validation or in a package', async () => {
    const hostile = join(import.meta.dirname, '../../labels/testing/hdf5/storage-deep.old.slp');
    await copyFile(hostile, home.path('bad.pkg.slp'));
    const words = /bad\.pkg\.slp refers to another file: "\/a\/b\/points" is in external storage/;
    await refused(['bad.pkg.slp', '-c', 'good.yaml'], 2, 'REFERS_OUTSIDE', words);
    await refused(['good.pkg.slp', '-c', 'good.yaml', '--val-labels', 'bad.pkg.slp'], 2, 'REFERS_OUTSIDE', words);
    const members = [
      { name: 'bad.pkg.slp', content: await readFile(hostile) },
      { name: 'good.yaml', content: configYaml() },
      { name: 'jobs.yaml', content: 'training: [{cfg: good.yaml, train_labels: bad.pkg.slp}]' },
    ];
    await writeZip(home.path('a.training_job.zip'), members);
    await refused(['a.training_job.zip'], 2, 'REFERS_OUTSIDE', words);
  });

  it('labels without their images', async () => {
    await writeFile(home.path('a.slp'), hdf5({ size: 4096, text: '{"filename":"clip.mp4"}' }));
    await refused(['a.slp', '-c', 'good.yaml'], 2, 'LABELS_INVALID', /refers to its videos/);
  });

  it('a package that is no package', async () => {
    await writeFile(home.path('a.training_job.zip'), 'hello');
    await refused(['a.training_job.zip'], 2, 'PACKAGE_INVALID', /not a complete zip/);
  });

  it('a package and a config', async () => {
    await writeFile(home.path('a.training_job.zip'), 'hello');
    await refused(['a.training_job.zip', '-c', 'good.yaml'], 2, 'USAGE', /contains its configs and labels/);
  });

  it('no config', () => refused(['good.pkg.slp'], 2, 'USAGE', /needs a config/));

  it('no such config', () => refused(['good.pkg.slp', '-c', 'x.yaml'], 2, 'FILE_NOT_FOUND', /x\.yaml does not exist/));

  it('a config in the old JSON form', async () => {
    await writeFile(home.path('old.json'), '{}');
    const { stderr } = await refused(['good.pkg.slp', '-c', 'old.json'], 2, 'CONFIG_JSON_UNSUPPORTED', /old\.json/);
    assert.match(stderr, /load_sleap_config/);
  });

  it('a config that is not YAML', async () => {
    await writeFile(home.path('bad.yaml'), 'a: [1,\nb: }');
    await refused(['good.pkg.slp', '-c', 'bad.yaml'], 2, 'CONFIG_INVALID', /bad\.yaml is not valid YAML \(line \d\)/);
  });

  it('a config without a head, naming the key', async () => {
    await writeFile(home.path('bad.yaml'), 'model_config: {head_configs: {centroid: null}}');
    await refused(['good.pkg.slp', '-c', 'bad.yaml'], 2, 'CONFIG_INVALID', /model_config\.head_configs; it has none/);
  });

  it('a config that names validation labels that do not exist', async () => {
    await writeFile(home.path('val.yaml'), configYaml('centroid', ', val_labels_path: [val.pkg.slp]'));
    await refused(['good.pkg.slp', '-c', 'val.yaml'], 2, 'FILE_NOT_FOUND', /val\.pkg\.slp does not exist/);
  });

  it('YAML that would expand without limit', async () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 12; i++) lines.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(10)}]`);
    await writeFile(home.path('bomb.yaml'), lines.join('\n'));
    await refused(['good.pkg.slp', '-c', 'bomb.yaml'], 2, 'CONFIG_INVALID', /bomb\.yaml/);
  });

  it('an alias that looks like a model id', () =>
    refused(['good.pkg.slp', '-c', 'good.yaml', '--alias', 'deadbeef'], 2, 'USAGE', /alias/));

  it('an output folder that is a file', () =>
    refused(['good.pkg.slp', '-c', 'good.yaml', '-o', 'good.yaml/models'], 2, 'USAGE', /output folder/));

  it('a flag that does not exist, a flag of the wrong kind', async () => {
    await refused(['good.pkg.slp', '--nope'], 2, 'USAGE', /--nope/);
    await refused(['good.pkg.slp', '--wait', 'soon'], 2, 'USAGE', /--wait needs a number of minutes, not “soon”/);
    await refused([], 2, 'USAGE', /labels/);
  });

  it('an unreachable server, reported within seconds', async () => {
    const { stderr } = await refused(
      ['good.pkg.slp', '-c', 'good.yaml'],
      5,
      'SERVER_UNREACHABLE',
      /connection refused/,
    );
    assert.match(stderr, /--server/);
  });

  it('no server, no room, no token, no key', async () => {
    const args = ['good.pkg.slp', '-c', 'good.yaml'];
    delete home.env.SLEAP_RTC_ROOM_KEY;
    await refused(args, 2, 'USAGE', /no key for the room lab-mice/);
    delete home.env.SLEAP_RTC_TOKEN;
    await refused(args, 2, 'USAGE', /no token for the room lab-mice/);
    delete home.env.SLEAP_RTC_ROOM;
    await refused(args, 2, 'USAGE', /No room is set/);
    delete home.env.SLEAP_RTC_SERVER;
    await refused(args, 2, 'USAGE', /No server is set/);
  });

  it('with --json, reports the same as one JSON object', async () => {
    const { exitCode, stdout } = await home.run('train', 'nothing.pkg.slp', '-c', 'good.yaml', '--json');
    assert.equal(exitCode, 2);
    const { ok, error } = JSON.parse(stdout);
    assert.equal(ok, false);
    assert.deepEqual(Object.keys(error), ['code', 'message', 'remedy']);
    assert.equal(error.code, 'FILE_NOT_FOUND');
    const usage = await home.run('train', '--json');
    assert.equal(JSON.parse(usage.stdout).error.code, 'USAGE');
  });
});
