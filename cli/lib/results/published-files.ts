import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FileEntry } from '../../../protocol/files.ts';
import { retryOptions, retryWhileUnavailable } from '../api/retry-while-unavailable.ts';
import type { OutcomeContext } from './outcome-context.ts';

/** What is said of a comparison. */
interface Comparison extends Pick<OutcomeContext, 'progress' | 'signal'> {
  /** What should have arrived, as a part of a sentence. */
  what: string;
  /** True if a worker has said that it has sent everything. */
  received: boolean;
}

/**
 * Compares what arrived over WebRTC with the list that the room has published: everyone with the room's key can send results. What
 * differs is removed, and the researcher reads of it.
 * @param published asks the server for the list
 * @returns true if the folder has the published files and no others
 */
export async function hasArrived(
  folder: string,
  published: () => Promise<readonly FileEntry[]>,
  { what, received, progress, signal }: Comparison,
): Promise<boolean> {
  if ((await filesBelow(folder)).length === 0) return false;
  const files = await retryWhileUnavailable(published, retryOptions(progress, signal));
  if (await hasExactly(folder, files)) return true;
  await rm(folder, { recursive: true, force: true });
  if (received) {
    progress.note(`What a worker sent as ${what} is not what the room has published. It was refused and removed.`);
  }
  return false;
}

/** True if a file has the published content. */
export async function isPublishedFile(path: string, published: FileEntry): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size !== published.size_bytes) return false;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex') === published.sha256;
}

async function hasExactly(folder: string, published: readonly FileEntry[]): Promise<boolean> {
  const paths = new Set(await filesBelow(folder));
  if (paths.size !== published.length) return false;
  for (const entry of published) {
    if (!paths.has(entry.path) || !(await isPublishedFile(join(folder, entry.path), entry))) return false;
  }
  return true;
}

/** Everything below a folder that is no folder; relative and `/`-separated. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
}
