import { join } from 'node:path';
import type { FileEntry } from '../../../protocol/files.ts';
import { lookAt, openDestination } from './destination.ts';
import type { HashCache } from './hash-cache.ts';
import { LocalBlocks, type Reuse } from './local-blocks.ts';
import { removePartialFolder } from './partial-file.ts';

/**
 * Puts those files into a folder whose content is in it already or in the folders of `reuse`, by clones or links, before anything
 * is transferred.
 * @returns the files that are still missing
 * @throws SleapRtcError PATH_UNSAFE if a link or something else is in the way
 */
export async function placeFiles(
  folder: string,
  entries: readonly FileEntry[],
  { cache, reuse, signal }: { cache: HashCache; reuse: Reuse; signal?: AbortSignal },
): Promise<FileEntry[]> {
  const root = await openDestination(folder);
  const localBlocks = await LocalBlocks.open(cache, root, reuse);
  const missing: FileEntry[] = [];
  try {
    for (const entry of entries) {
      signal?.throwIfAborted();
      const found = await lookAt(root, entry.path);
      const local = found === 'absent' ? undefined : await localBlocks.describe(join(root, entry.path));
      if (local?.sha256 === entry.sha256 || (await localBlocks.place(root, entry))) continue;
      missing.push(entry);
    }
  } finally {
    await localBlocks.close();
    await removePartialFolder(root);
    await cache.save();
  }
  return missing;
}
