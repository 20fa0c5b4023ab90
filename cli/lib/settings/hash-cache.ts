import { join, resolve } from 'node:path';
import envPaths from 'env-paths';
import { HashCache } from '../../../transport/index.ts';

/**
 * Opens the cache of this user's file hashes: `file-hashes` in SLEAP_RTC_CACHE, else in the system's cache folder. With it, data
 * that has not changed is not read again for another submission.
 */
export async function openHashCache(env: NodeJS.ProcessEnv = process.env): Promise<HashCache> {
  const chosen = env.SLEAP_RTC_CACHE;
  const folder = chosen ? resolve(chosen) : envPaths('sleap-rtc', { suffix: '' }).cache;
  return HashCache.open(join(folder, 'file-hashes'));
}
