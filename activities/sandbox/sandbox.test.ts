import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { pino } from 'pino';
import { openSandbox, runScript, Sandbox } from './index.ts';
import { runCommand } from './run-script.ts';
import { LATE_MOUNTS } from './sandbox.ts';
import { PRY, placeSecrets, type Secrets } from './testing/secrets.ts';
import { testSandbox } from './testing/test-sandbox.ts';

/** What `pry.py` prints. */
interface Found {
  environment: Record<string, string>;
  folders: Record<string, string>;
  processes: number;
  network: string;
  link: string;
  pipe: string;
  capabilities: string[];
}

/** A program that waits for its job's files as the launcher does, and then pries. */
const WAIT_THEN_PRY = `
import json, os, subprocess, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import late_mounts
late_mounts.grant(json.loads(sys.stdin.readline()))
subprocess.run([sys.executable, sys.argv[2], sys.argv[3]], check=True)
`;
const TIMEOUT_MS = 30_000;

describe('the sandbox', () => {
  let workDir: string;
  let job: string;
  let secrets: Secrets;
  let sandbox: Sandbox;

  beforeEach(async function () {
    workDir = await mkdtemp(join(tmpdir(), 'sleap-rtc-sandbox-'));
    job = join(workDir, 'jobs/job1');
    for (const name of ['dataset', 'work']) await mkdir(join(job, name), { recursive: true });
    secrets = await placeSecrets(workDir);
    sandbox = await testSandbox({ python: '/usr/bin/python3', workDir });
    if (!sandbox.isolates) this.skip();
  });
  afterEach(async () => {
    await secrets.close();
    await rm(workDir, { recursive: true, force: true });
  });

  const access = () => ({ read: [join(job, 'dataset')], write: [join(job, 'work')] });

  async function check(stdout: string): Promise<Found> {
    assert.doesNotMatch(stdout, new RegExp(secrets.canary));
    assert.equal(secrets.connections(), 0);
    await secrets.assertUnchanged();
    const found = JSON.parse(stdout) as Found;
    assert.match(found.network, /^refused/);
    assert.match(found.link, /^refused: PermissionError/);
    assert.match(found.pipe, /^refused: PermissionError/);
    assert.equal(found.folders[workDir], "['jobs']");
    assert.equal(found.folders[join(workDir, 'jobs')], "['job1']");
    return found;
  }

  it('shows neither the worker’s environment, home, folder and processes nor a network', async () => {
    const args = [PRY, secrets.wanted(join(job, 'work'))];
    const { stdout, stderr } = await runScript(sandbox, {
      ...{ args, scripts: [PRY], access: access(), timeoutMs: TIMEOUT_MS },
    });
    assert.equal(stderr, '');
    const found = await check(stdout);
    assert.deepEqual(found.capabilities, ['0000000000000000']);
    assert.ok(found.processes < 5, `${found.processes} processes`);
    assert.deepEqual(await readdir(join(job, 'dataset')), []);
  });

  it('keeps the secrets of processes that a run sees, if the system allows no /proc of its own, as in a container', async function () {
    const program = fileURLToPath(new URL('testing/pry-in-sandbox.ts', import.meta.url));
    const masked = 'mount --bind /dev/null /proc/version && exec "$@"';
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', program];
    const wanted = secrets.wanted(join(job, 'work'));
    if ((await execa('unshare', ['-m', 'sh', '-c', masked, 'sh', 'true'], { reject: false })).failed) this.skip();
    const ended = await execa('unshare', ['-m', 'sh', '-c', masked, 'sh', ...node, workDir, job, wanted]);
    const found = await check(ended.stdout);
    assert.ok(found.processes >= 3, 'processes are seen');
  });

  it('lets the worker’s secrets out without it: the test can fail', async () => {
    const args = [PRY, secrets.wanted(join(job, 'work'))];
    const options = { args, scripts: [PRY], access: access(), timeoutMs: TIMEOUT_MS };
    const { stdout } = await runScript(Sandbox.none('/usr/bin/python3'), options);
    assert.match(stdout, new RegExp(secrets.canary));
    assert.ok(secrets.connections() > 0);
  });

  it('gives a process that waited for its job the job’s files only, and then no way to get others', async () => {
    await writeFile(join(job, 'dataset/labels.slp'), 'labels');
    const args = ['-c', WAIT_THEN_PRY, LATE_MOUNTS, PRY, secrets.wanted(join(job, 'work'))];
    const input = `${JSON.stringify(sandbox.lateAccess(access()))}\n`;
    const ended = await runCommand(sandbox.launch(args, [LATE_MOUNTS, PRY]), { input, timeoutMs: TIMEOUT_MS });
    assert.equal(ended.stderr, '');
    const found = await check(ended.stdout);
    // The bounding set stays, but no_new_privs lets no program use it.
    assert.deepEqual(found.capabilities, ['0000000000000000', '0000000000200000']);
  });

  it('lets a process write to its own folder, and to nothing of its dataset, which other jobs may share', async () => {
    const labels = join(job, 'dataset/labels.slp');
    await writeFile(labels, 'labels');
    const program = `open(${JSON.stringify(join(job, 'work/model'))}, "w").write("model"); open(${JSON.stringify(labels)}, "a")`;
    for (const command of [
      sandbox.command(['-c', program], [], access()),
      sandbox.launch(
        [
          '-c',
          `import sys; sys.path.insert(0, "${join(LATE_MOUNTS, '..')}"); import late_mounts, json
late_mounts.grant(json.loads(sys.stdin.readline())); ${program}`,
        ],
        [LATE_MOUNTS],
      ),
    ]) {
      const input = `${JSON.stringify(sandbox.lateAccess(access()))}\n`;
      const { stderr } = await runCommand(command, { input, timeoutMs: TIMEOUT_MS });
      assert.match(stderr, /Read-only file system/);
      assert.equal(await readFile(join(job, 'work/model'), 'utf8'), 'model');
      await rm(join(job, 'work/model'));
    }
  });

  it('is required or done without, as the admin has set, if the machine has no bubblewrap', async () => {
    const path = process.env.PATH;
    const logged: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => logged.push(line) });
    const options = { python: '/usr/bin/python3', workDir, hasGpu: false, logger };
    try {
      process.env.PATH = join(workDir, 'bin');
      await mkdir(process.env.PATH);
      await symlink('/usr/bin/env', join(process.env.PATH, 'env'));
      await assert.rejects(openSandbox({ ...options, mode: 'required' }), { code: 'USAGE', message: /bwrap/ });
      assert.equal((await openSandbox({ ...options, mode: 'auto' })).state, 'unavailable');
      assert.match(logged.join(''), /"state":"unavailable","reason":".*bwrap/);
    } finally {
      process.env.PATH = path;
    }
    assert.equal((await openSandbox({ ...options, mode: 'required' })).state, 'on');
    assert.equal((await openSandbox({ ...options, mode: 'off' })).state, 'off');
  });
});
