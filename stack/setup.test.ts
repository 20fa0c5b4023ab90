import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { cacheFolder } from './setup/cache-folder.ts';
import { ensureEnvironment, environmentFolder, REQUIREMENTS, type SetupContext } from './setup/environments.ts';
import { findPython } from './setup/python.ts';
import { ensureTools } from './setup.ts';

const WHEEL = 'sleap_rtc_tiny-1.0-py3-none-any.whl';
const MAKE_WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    info = "sleap_rtc_tiny-1.0.dist-info"
    wheel.writestr("sleap_rtc_tiny.py", "answer = 42")
    wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: sleap-rtc-tiny\\nVersion: 1.0\\n")
    wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "/RECORD", "".join(f"{name},,\\n" for name in
        ["sleap_rtc_tiny.py", info + "/METADATA", info + "/WHEEL", info + "/RECORD"]))
`;

describe('ensureTools', function () {
  this.timeout(300_000); // the first run on a machine downloads the servers

  it('gives servers that run, and reports no progress if they are installed', async () => {
    await ensureTools({ parts: ['servers', 'samples'] });
    const said: string[] = [];
    const tools = await ensureTools({ parts: ['servers', 'samples'], onProgress: (message) => said.push(message) });
    assert.deepEqual(said, []);
    for (const command of [tools.temporal, tools.temporalTestServer, tools.weed]) await access(command, constants.X_OK);
    for (const file of ['minimal_instance.pkg.slp', 'centered_pair_small.mp4', 'LICENSE']) {
      await access(join(tools.sampleDataDir, file));
    }
    assert.match((await execa(tools.temporal, ['--version'])).stdout, /Server 1\./);
  });
});

describe('ensureEnvironment', function () {
  this.timeout(120_000);
  let dir: string;
  let context: SetupContext;
  const settings = { ...process.env };
  const lock = (sha256: string): Promise<void> =>
    writeFile(join(context.requirements, 'tiny.txt'), `sleap-rtc-tiny==1.0 --hash=sha256:${sha256}\n`);
  const tiny = { name: 'tiny', title: 'tiny', typical: 'a second', sizeBytes: 0 };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-setup-'));
    context = { cache: join(dir, 'cache'), requirements: join(dir, 'requirements'), onProgress: () => {} };
    await mkdir(context.requirements);
    await mkdir(join(context.cache, 'stack'), { recursive: true });
    await copyFile(join(REQUIREMENTS, 'tools.txt'), join(context.requirements, 'tools.txt'));
    // The installer itself is the shared one, so that the test needs no network.
    await ensureTools({ parts: ['servers'] });
    const tools = await environmentFolder({ ...context, cache: cacheFolder() }, 'tools');
    await symlink(tools, join(context.cache, 'stack', basename(tools)));
    await mkdir(join(dir, 'wheels'));
    await execa(await findPython(), ['-c', MAKE_WHEEL, join(dir, 'wheels', WHEEL)]);
    process.env.PIP_FIND_LINKS = join(dir, 'wheels'); // pip's settings, which uv would not read by itself
    process.env.PIP_NO_INDEX = '1';
  });
  afterEach(async () => {
    for (const name of ['PIP_FIND_LINKS', 'PIP_NO_INDEX']) {
      if (settings[name] === undefined) delete process.env[name];
      else process.env[name] = settings[name];
    }
    await rm(dir, { recursive: true, force: true });
  });

  it('installs the packages of the lock from the index that pip would use', async () => {
    await lock(await sha256(join(dir, 'wheels', WHEEL)));
    const folder = await ensureEnvironment(context, { ...tiny, verify: 'import sleap_rtc_tiny' });
    const { stdout } = await execa(join(folder, 'bin/python'), ['-c', 'import sleap_rtc_tiny as t; print(t.answer)']);
    assert.equal(stdout, '42');
  });

  it('refuses a file whose hash is not the one in the lock', async () => {
    await lock('0'.repeat(64));
    await assert.rejects(ensureEnvironment(context, tiny), /tiny could not be installed[\s\S]*[Hh]ash/);
  });

  it('reports that an installed package does not run', async () => {
    await lock(await sha256(join(dir, 'wheels', WHEEL)));
    const broken = { ...tiny, verify: 'import sleap_rtc_absent' };
    await assert.rejects(ensureEnvironment(context, broken), /tiny does not run[\s\S]*No module named/);
  });

  it('does not start an installation for which the disk has no space', async () => {
    await lock('0'.repeat(64));
    await assert.rejects(ensureEnvironment(context, { ...tiny, sizeBytes: 1e18 }), { code: 'DISK_FULL' });
  });
});

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
