import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';

/** Prints what a Python loads its modules from. The module `site` is loaded, because it adds the environment's packages. */
const PRINT_PATHS = `
import json, os, sys
print(json.dumps([sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable)), *sys.path]))
`;
const TIMEOUT_MS = 60_000;

/**
 * The files and folders that a Python needs to start and to import its packages.
 * @throws SleapRtcError INTERNAL if it does not start
 */
export async function pythonPaths(python: string, env: Record<string, string>): Promise<string[]> {
  const result = await execa(python, ['-c', PRINT_PATHS], {
    extendEnv: false,
    env,
    timeout: TIMEOUT_MS,
    reject: false,
  });
  if (result.failed) {
    throw new SleapRtcError('INTERNAL', `${python} does not start: ${result.stderr.trim().split('\n').at(-1) ?? ''}`);
  }
  const printed = z.array(z.string()).parse(JSON.parse(result.stdout));
  const paths = new Set([python, ...printed].filter((path) => isAbsolute(path)));
  // A path may lead through links, of which each name must exist.
  for (const path of [...paths]) paths.add(await realpath(path).catch(() => path));
  return outermost([...paths, '/usr']).filter((path) => path !== '/usr' && dirname(path) !== path);
}

/** Leaves out what is in another one of the folders. */
function outermost(paths: readonly string[]): string[] {
  return paths.filter((path) => !paths.some((other) => path.startsWith(`${other}/`)));
}
