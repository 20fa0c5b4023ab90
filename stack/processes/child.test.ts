import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { processesGone } from '../testing/processes-gone.ts';
import { startChild } from './child.ts';

const SHELL_WITH_CHILD = 'sleep 300 & echo "$$ $!"; wait';

describe('startChild', () => {
  let dir: string;
  const logFile = (): string => join(dir, 'child.log');
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-child-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('reports the exit code and writes both outputs to the log, so that a failure can be explained', async () => {
    const args = ['-c', 'echo out; echo err >&2; exit 3'];
    const child = await startChild({ name: 'failing', command: '/bin/sh', args, logFile: logFile() });
    assert.deepEqual(await child.exited, { exitCode: 3, signal: undefined });
    assert.equal(child.running, false);
    assert.deepEqual((await readFile(logFile(), 'utf8')).trim().split('\n').sort(), ['err', 'out']);
  });

  it('says that a command does not exist', async () => {
    const child = await startChild({ name: 'missing', command: '/no/such/command', logFile: logFile() });
    assert.equal((await child.exited).exitCode, 127);
    assert.match(child.tail(), /no.*such.*command/i);
  });

  it('ends what the child itself started, when the child ends', async () => {
    const { promise: grandchild, resolve } = Promise.withResolvers<number>();
    const child = await startChild({
      name: 'parent',
      command: '/bin/sh',
      args: ['-c', 'sleep 300 & echo "$!"'],
      logFile: logFile(),
      onLine: (line) => resolve(Number(line)),
    });
    await child.exited;
    await processesGone([await grandchild]);
  });

  it('kills a child that ignores SIGTERM, after its grace period', async () => {
    const { promise: trapped, resolve } = Promise.withResolvers<string>();
    const child = await startChild({
      name: 'stubborn',
      command: '/bin/sh',
      args: ['-c', 'trap "" TERM; echo trapped; while :; do sleep 1; done'],
      logFile: logFile(),
      onLine: resolve,
    });
    await trapped;
    await child.stop(100);
    assert.equal((await child.exited).signal, 'SIGKILL');
    await processesGone([child.pid]);
  });

  it('stops the child when its signal is aborted', async () => {
    const abort = new AbortController();
    const child = await startChild({
      name: 'sleeper',
      command: 'sleep',
      args: ['300'],
      logFile: logFile(),
      signal: abort.signal,
    });
    abort.abort();
    assert.equal((await child.exited).signal, 'SIGTERM');
  });

  it('leaves nothing running when the owner is killed with kill -9', async () => {
    const owner = join(dir, 'owner.ts');
    const module = fileURLToPath(new URL('child.ts', import.meta.url));
    const options = { name: 'orphan', command: '/bin/sh', args: ['-c', SHELL_WITH_CHILD], logFile: logFile() };
    await writeFile(
      owner,
      `import { startChild } from ${JSON.stringify(module)};
       await startChild({ ...${JSON.stringify(options)}, onLine: (line) => process.stdout.write(line + '\\n') });`,
    );
    const subprocess = execa(process.execPath, ['--disable-warning=ExperimentalWarning', owner], { reject: false });
    let pids: number[] = [];
    for await (const line of subprocess) {
      pids = String(line).split(' ').map(Number);
      subprocess.kill('SIGKILL');
    }
    await subprocess;
    assert.equal(pids.length, 2);
    await processesGone(pids);
  });
});
