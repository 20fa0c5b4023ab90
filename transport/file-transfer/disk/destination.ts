import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { lstat, mkdir, open, realpath, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { FileEntry } from '../../../protocol/files.ts';
import { DISK_RESERVE_BYTES } from './limits.ts';

/** Makes the folder if it is missing, and returns its real path. Below it no symbolic link is followed. */
export async function openDestination(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  return realpath(folder);
}

/**
 * Makes the folders above a safe relative path, one by one, and returns the absolute path.
 * @throws SleapRtcError PATH_UNSAFE if a symbolic link or a file is in the way
 */
export async function prepareParents(root: string, path: string): Promise<string> {
  let folder = root;
  for (const part of path.split('/').slice(0, -1)) {
    folder = join(folder, part);
    await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    if (!(await lstat(folder)).isDirectory()) throw inTheWay(path);
  }
  return join(root, path);
}

/**
 * Checks that a file may be written at a safe relative path, and whether there is one already. Writes nothing.
 * @throws SleapRtcError PATH_UNSAFE if a symbolic link or anything else but a file is in the way
 */
export async function lookAt(root: string, path: string): Promise<'absent' | { sizeBytes: number }> {
  const parts = path.split('/');
  for (let depth = 1; depth <= parts.length; depth += 1) {
    const found = await lstat(join(root, ...parts.slice(0, depth))).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (found === undefined) return 'absent';
    const isLast = depth === parts.length;
    if (isLast ? !found.isFile() : !found.isDirectory()) throw inTheWay(path);
    if (isLast) return { sizeBytes: found.size };
  }
  return 'absent';
}

/**
 * Whether the file is there under its final name with the promised content.
 * @throws SleapRtcError PATH_UNSAFE if a symbolic link or a folder has its name
 */
export async function isFinished(absolutePath: string, entry: FileEntry): Promise<boolean> {
  const found = await lstat(absolutePath).catch(() => undefined);
  if (found === undefined) return false;
  if (!found.isFile()) throw inTheWay(entry.path);
  return found.size === entry.size_bytes && (await hashFile(absolutePath)) === entry.sha256;
}

/**
 * Finds the files that are not in the folder with the promised content, to decide whether a transfer is needed.
 * @throws SleapRtcError PATH_UNSAFE
 */
export async function missingFiles(folder: string, entries: readonly FileEntry[]): Promise<FileEntry[]> {
  const missing: FileEntry[] = [];
  for (const entry of entries) if (!(await isFinished(join(folder, entry.path), entry))) missing.push(entry);
  return missing;
}

/** @throws SleapRtcError DISK_FULL, with the sizes, if `neededBytes` and a reserve do not fit */
export async function checkFreeSpace(root: string, neededBytes: number): Promise<void> {
  if (neededBytes === 0) return;
  const { bavail, bsize } = await statfs(root);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes + DISK_RESERVE_BYTES) return;
  throw new SleapRtcError(
    'DISK_FULL',
    `${megabytes(neededBytes)} are needed in ${basename(root)}, but only ${megabytes(freeBytes)} are free.`,
  );
}

/** Bytes that a file takes on disk: less than its size if it has holes, 0 if it is not there. */
export async function allocatedBytes(absolutePath: string): Promise<number> {
  const found = await stat(absolutePath).catch(() => undefined);
  return found === undefined ? 0 : found.blocks * 512;
}

/** Makes a rename or a new name in a folder durable. Does nothing on systems that cannot (Windows). */
export async function syncFolderOf(absolutePath: string): Promise<void> {
  const handle = await open(dirname(absolutePath), constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

async function hashFile(absolutePath: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(absolutePath, { highWaterMark: 1024 * 1024 }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function inTheWay(path: string): SleapRtcError {
  return new SleapRtcError('PATH_UNSAFE', `${path} cannot be written: a link or something else is in the way.`);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
