import { mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { findOnPath } from '../../stack/processes/find-on-path.ts';
import { cacheFolder } from '../../stack/setup/cache-folder.ts';
import { findPython } from '../../stack/setup/python.ts';

/** The programs that we compare with, in the versions of the published figures. */
const ORIGINAL = ['sleap-rtc==0.0.7', 'aiortc==1.16.0'];
const PION = 'github.com/pion/webrtc/v4@v4.2.26';

const PEERS = join(import.meta.dirname, 'peers');

/** A program that is one side of a transfer: `command ...args send|receive PATH BYTES`. */
export interface ForeignPeer {
  command: string;
  args: string[];
}

/** The original sleap-rtc, installed into a scratch folder of the cache. */
export async function originalPeer(): Promise<ForeignPeer> {
  const folder = await scratch(`original-${ORIGINAL.join('-')}`, async (unfinished) => {
    await execa(await findPython(), ['-m', 'venv', unfinished]);
    const [original = '', ...libraries] = ORIGINAL;
    const pip = ['-m', 'pip', '-q', '--disable-pip-version-check', 'install'];
    await execa(join(unfinished, 'bin/python'), [...pip, ...libraries]);
    // Its upload needs none of its other 20 dependencies.
    await execa(join(unfinished, 'bin/python'), [...pip, '--no-deps', original]);
  });
  return { command: join(folder, 'bin/python'), args: [join(PEERS, 'original.py')] };
}

/** pion, built in a scratch folder of the cache. Returns undefined if Go is not installed. */
export async function pionPeer(): Promise<ForeignPeer | undefined> {
  const go = await findOnPath('go');
  if (go === undefined) return undefined;
  const folder = await scratch(`pion-${PION}`, async (unfinished) => {
    await mkdir(unfinished);
    const run = (...args: string[]) => execa(go, args, { cwd: unfinished });
    await run('mod', 'init', 'pion-raw');
    await run('get', PION);
    await execa('cp', [join(PEERS, 'pion.go'), unfinished]);
    await run('mod', 'tidy');
    await run('build', '-o', 'pion-raw', '.');
  });
  return { command: join(folder, 'pion-raw'), args: [] };
}

async function scratch(name: string, make: (unfinished: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), 'bench', name.replaceAll(/[^\w.-]+/g, '-'));
  if (await stat(folder).catch(() => undefined)) return folder;
  await mkdir(join(folder, '..'), { recursive: true });
  const unfinished = `${folder}.${process.pid}`;
  await make(unfinished);
  await rename(unfinished, folder);
  return folder;
}
