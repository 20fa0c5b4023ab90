import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FileEntry } from '../../protocol/files.ts';

/**
 * Describes files by size and SHA-256, and remembers the hash of each as long as it has not changed, under whatever name: a large
 * checkpoint is uploaded, collected and published, and read once for all of these.
 */
export class FileHashes {
  readonly #byIdentity = new Map<string, { sha256?: string }>();

  /** @param path the file's name in the entry */
  async describe(file: string, path: string): Promise<FileEntry> {
    const { identity, sizeBytes } = await identify(file);
    const known = this.#byIdentity.get(identity) ?? {};
    const sha256 = known.sha256 ?? (await sha256Of(file));
    if ((await identify(file)).identity === identity) this.#byIdentity.set(identity, Object.assign(known, { sha256 }));
    return { path, size_bytes: sizeBytes, sha256 };
  }

  /** Records that two files have the same content, so that only one of them needs to be read. @param of see `identify` */
  pair(of: string, copy: string): void {
    const known = this.#byIdentity.get(of) ?? {};
    this.#byIdentity.set(of, known);
    this.#byIdentity.set(copy, known);
  }
}

/** What changes if a file's content does: its place on the disk, its size and when it was last written. */
export async function identify(file: string): Promise<{ identity: string; sizeBytes: number; writtenMs: number }> {
  const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
  return {
    identity: [dev, ino, size, mtimeNs].join(':'),
    sizeBytes: Number(size),
    writtenMs: Number(mtimeNs / 1_000_000n),
  };
}

/** A file's size and SHA-256, under the name `path`. */
export function describeFile(file: string, path: string): Promise<FileEntry> {
  return new FileHashes().describe(file, path);
}

/** The files of a flat folder, sorted by name, with sizes and SHA-256s. */
export async function describeFolder(folder: string, hashes = new FileHashes()): Promise<FileEntry[]> {
  const names = (await readdir(folder)).sort();
  const files: FileEntry[] = [];
  for (const name of names) files.push(await hashes.describe(join(folder, name), name));
  return files;
}

/** True if each file is in the folder, and has its size and SHA-256. */
export async function isWhole(folder: string, files: readonly FileEntry[]): Promise<boolean> {
  try {
    for (const { path, size_bytes, sha256 } of files) {
      if ((await stat(join(folder, path))).size !== size_bytes) return false;
      if ((await describeFile(join(folder, path), path)).sha256 !== sha256) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/** Gives a file another name. It takes no more space if the disk has hard links. Neither name may be written to afterwards. */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to));
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
