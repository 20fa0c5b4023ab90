import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { execa } from 'execa';
import { type BrowserContext, chromium } from 'playwright-core';
import { findOnPath } from '../../stack/processes/find-on-path.ts';

const decompress = promisify(brotliDecompress);
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The package's fonts, which are beside this file, and the system's. */
const FONTS = `<?xml version="1.0"?><fontconfig><dir prefix="relative">fonts</dir><dir>/usr/share/fonts</dir></fontconfig>`;

/**
 * Starts Chromium without a window and with an empty profile: that of CHROMIUM_PATH, else of the PATH, else the one that
 * an npm package carries.
 */
export async function startBrowser(): Promise<BrowserContext & AsyncDisposable> {
  const { executablePath, env } = await findChromium();
  const profile = await mkdtemp(join(tmpdir(), 'sleap-rtc-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: QUIET,
    headless: true,
    env,
    // Otherwise a machine without a language invents one that JavaScript does not know.
    locale: 'en-US',
  });
  return Object.assign(context, {
    async [Symbol.asyncDispose]() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  });
}

interface Chromium {
  executablePath: string;
  env: Record<string, string>;
}

async function findChromium(): Promise<Chromium> {
  const env = Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => !!entry[1]));
  if (process.env.CHROMIUM_PATH) return { executablePath: process.env.CHROMIUM_PATH, env };
  for (const name of NAMES) {
    const executablePath = await findOnPath(name);
    if (executablePath !== undefined) return { executablePath, env };
  }
  const folder = await unpackChromium();
  // The libraries and fonts that a machine without a desktop lacks.
  const own = { LD_LIBRARY_PATH: join(folder, 'lib'), FONTCONFIG_FILE: join(folder, 'fonts.conf') };
  return { executablePath: join(folder, 'chromium'), env: { ...env, ...own } };
}

/** Unpacks the package's Chromium (x86-64 Linux) once, into the packages' cache; complete or not at all. */
async function unpackChromium(): Promise<string> {
  const packaged = new URL('../bin/', import.meta.resolve('@sparticuz/chromium'));
  const { version } = JSON.parse(await readFile(new URL('../package.json', packaged), 'utf8'));
  const cache = join(import.meta.dirname, '../../node_modules/.cache');
  const folder = join(cache, `chromium-${version}`);
  if (await stat(folder).catch(() => undefined)) return folder;
  await mkdir(cache, { recursive: true });
  const partial = await mkdtemp(join(cache, 'chromium-partial-'));
  try {
    const program = join(partial, 'chromium');
    await writeFile(program, await decompress(await readFile(new URL('chromium.br', packaged))));
    await chmod(program, 0o755);
    for (const archive of ['al2023.tar.br', 'fonts.tar.br']) {
      const input = await decompress(await readFile(new URL(archive, packaged)));
      await execa('tar', ['-x', '-C', partial], { input });
    }
    await writeFile(join(partial, 'fonts.conf'), FONTS);
    await rename(partial, folder);
  } catch (error) {
    // Another test run may have been faster.
    if (!(await stat(folder).catch(() => undefined))) throw error;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return folder;
}
