import { join } from 'node:path';
import type { FileEntry } from '../../../protocol/files.ts';
import { lookAt, openDestination } from './destination.ts';
import type { HashCache } from './hash-cache.ts';
import { Holdings, type Reuse } from './local-blocks.ts';
import { removePartialFolder } from './partial-file.ts';

/**
 * Gives files their names in a folder where their content is there, or in the folders of `reuse`, and takes no time to bring
 * (a clone or a link). For what is whole elsewhere on the disk, before anything is transferred.
 * @returns those that are not there afterwards
 * @throws SleapRtcError PATH_UNSAFE where a link or something else is in the way
 */
export async function placeFiles(
  folder: string,
  entries: readonly FileEntry[],
  { cache, reuse, signal }: { cache: HashCache; reuse: Reuse; signal?: AbortSignal },
): Promise<FileEntry[]> {
  const root = await openDestination(folder);
  const holdings = await Holdings.open(cache, root, reuse);
  const missing: FileEntry[] = [];
  try {
    for (const entry of entries) {
      signal?.throwIfAborted();
      const found = await lookAt(root, entry.path);
      const here = found === 'absent' ? undefined : await holdings.describe(join(root, entry.path));
      if (here?.sha256 === entry.sha256 || (await holdings.place(root, entry))) continue;
      missing.push(entry);
    }
  } finally {
    await holdings[Symbol.asyncDispose]();
    await removePartialFolder(root);
    await cache.save();
  }
  return missing;
}
