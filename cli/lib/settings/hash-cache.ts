import { join, resolve } from 'node:path';
import envPaths from 'env-paths';
import { HashCache } from '../../../transport/index.ts';

/**
 * The hashes of this user's files, so that data that has not changed is not read again to be submitted again:
 * `file-hashes` in SLEAP_RTC_CACHE, else in the system's cache folder.
 */
export async function openHashCache(env: NodeJS.ProcessEnv = process.env): Promise<HashCache> {
  const chosen = env.SLEAP_RTC_CACHE;
  const folder = chosen ? resolve(chosen) : envPaths('sleap-rtc', { suffix: '' }).cache;
  return HashCache.open(join(folder, 'file-hashes'));
}
