import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import envPaths from 'env-paths';

/** The folder of large files that clones share: SLEAP_RTC_CACHE, else the system's cache folder for this user. */
export function cacheFolder(): string {
  const chosen = process.env.SLEAP_RTC_CACHE;
  return chosen ? resolve(chosen) : envPaths('sleap-rtc', { suffix: '' }).cache;
}

/**
 * The folder for the contents of a lock file. A changed lock, another platform or another chosen Python have another folder, so
 * clones of different releases do not disturb each other.
 * @param name a part of the folder's name
 * @param basis everything else that the contents depend on
 */
export async function installFolder(cache: string, name: string, lockFile: string, basis: string[]): Promise<string> {
  const hash = createHash('sha256').update(await readFile(lockFile));
  for (const part of basis) hash.update(`\0${part}`);
  return join(cache, 'stack', `${name}-${hash.digest('hex').slice(0, 16)}`);
}
