import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { type Installation, installOnce } from './install-once.ts';

const MODULE = fileURLToPath(new URL('install-once.ts', import.meta.url));

describe('installOnce', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-install-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const installation = (make: Installation['make']): Installation => ({
    dir: join(dir, 'thing'),
    title: 'a thing',
    mustExist: 'file',
    make,
    onProgress: () => {},
    lockStaleMs: 2_000,
  });

  /** A process that installs, with `make` as the body of a function of `dir`. */
  const inProcess = (make: string) =>
    execa(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      `import { appendFile, writeFile } from 'node:fs/promises';
       import { installOnce } from ${JSON.stringify(MODULE)};
       const dir = ${JSON.stringify(join(dir, 'thing'))};
       await installOnce({ dir, title: 'a thing', mustExist: 'file', onProgress: () => {}, lockStaleMs: 2_000,
         make: async () => { await appendFile(dir + '.count', 'x'); ${make} } });`,
    ]);
  const timesMade = async (): Promise<number> => (await readFile(join(dir, 'thing.count'), 'utf8')).length;

  it('makes a folder once when four processes want it at the same time', async () => {
    await Promise.all(Array.from({ length: 4 }, () => inProcess(`await writeFile(dir + '/file', 'whole');`)));
    assert.equal(await timesMade(), 1);
    assert.deepEqual((await readdir(join(dir, 'thing'))).sort(), ['.complete', 'file']);
  });

  it('makes a folder again that a killed process left incomplete', async () => {
    const killed = inProcess(`await writeFile(dir + '/file', 'half'); await writeFile(dir + '/rest', '');
      console.log('half-made'); setInterval(() => {}, 1000); await new Promise(() => {});`);
    killed.catch(() => {});
    await once(createInterface({ input: killed.stdout }), 'line');
    killed.kill('SIGKILL');
    await assert.rejects(killed);

    await installOnce(installation(() => writeFile(join(dir, 'thing/file'), 'whole')));
    assert.equal(await readFile(join(dir, 'thing/file'), 'utf8'), 'whole');
    assert.deepEqual((await readdir(join(dir, 'thing'))).sort(), ['.complete', 'file']);
  });

  it('tries again after a failure, and does nothing after a success', async () => {
    let made = 0;
    const make = async (): Promise<void> => {
      made++;
      if (made === 1) throw new Error('no network');
      await writeFile(join(dir, 'thing/file'), '');
    };
    await assert.rejects(installOnce(installation(make)), /no network/);
    await installOnce(installation(make));
    await installOnce(installation(make));
    assert.equal(made, 2);
  });

  it('makes a folder again if a file that it needs is gone, such as the base of a virtual environment', async () => {
    const make = (): Promise<void> => writeFile(join(dir, 'thing/file'), '');
    await installOnce(installation(make));
    await rm(join(dir, 'thing/file'));
    await installOnce(installation(make));
    assert.deepEqual((await readdir(join(dir, 'thing'))).sort(), ['.complete', 'file']);
  });

  it('stops waiting for another process when it is aborted', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    const first = installOnce(
      installation(async () => {
        begin();
        await finished;
        await writeFile(join(dir, 'thing/file'), '');
      }),
    );
    await begun;
    const stop = new AbortController();
    const second = installOnce({
      ...installation(() => assert.fail('made twice')),
      signal: stop.signal,
      onProgress: (message) => {
        assert.match(message, /Waiting for another process/);
        stop.abort();
      },
    });
    await assert.rejects(second, { name: 'AbortError' });
    finish();
    await first;
  });
});
