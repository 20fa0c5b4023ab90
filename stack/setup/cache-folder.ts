import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import envPaths from 'env-paths';

/** Where large things that clones share are kept: SLEAP_RTC_CACHE, else the system's cache folder for this user. */
export function cacheFolder(): string {
  const chosen = process.env.SLEAP_RTC_CACHE;
  return chosen ? resolve(chosen) : envPaths('sleap-rtc', { suffix: '' }).cache;
}

/**
 * The folder in which what a lock file describes is installed: a changed lock, another platform or another chosen Python
 * have another folder, so that clones of different age do not disturb one another.
 * @param name says what it is; a part of the folder's name
 * @param basis whatever else the contents depend on
 */
export async function installFolder(cache: string, name: string, lockFile: string, basis: string[]): Promise<string> {
  const hash = createHash('sha256').update(await readFile(lockFile));
  for (const part of basis) hash.update(`\0${part}`);
  return join(cache, 'stack', `${name}-${hash.digest('hex').slice(0, 16)}`);
}
