import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheFolder } from '../../stack/setup/cache-folder.ts';

const SOURCES = join(import.meta.dirname, 'router');

/**
 * Compiles one of the C programs here into the user's cache folder, once for each version of the sources; gives its path.
 * @throws if there is no C compiler
 */
export async function buildProgram(name: 'router' | 'blast'): Promise<string> {
  const hash = createHash('sha256');
  for (const file of (await readdir(SOURCES)).sort()) hash.update(file).update(await readFile(join(SOURCES, file)));
  const folder = join(cacheFolder(), 'paths');
  const program = join(folder, `${name}-${hash.digest('hex').slice(0, 16)}`);
  if ((await readdir(folder).catch(() => [])).some((file) => join(folder, file) === program)) return program;
  await mkdir(folder, { recursive: true });
  // Under a name of its own first, so that others who compile it at the same time never run half a program.
  const unfinished = `${program}.${process.pid}`;
  await execa('cc', ['-O2', '-Wall', '-Wextra', '-o', unfinished, join(SOURCES, `${name}.c`)]);
  await rename(unfinished, program);
  return program;
}
