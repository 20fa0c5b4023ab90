import { mkdir, readdir, realpath, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type FileEntry, totalBytes } from '../../protocol/files.ts';
import { Sha256 } from '../../protocol/ids.ts';
import {
  cacheOwnFile,
  describeContent,
  HashCache,
  type KnownFile,
  placeFiles,
  type Reuse,
} from '../../transport/index.ts';
import { removeLeftJobs } from '../runs/left-jobs.ts';

/** Disk space that is reserved for what a job makes, beside its dataset; in bytes. */
const RESERVE_BYTES = 2 ** 30;

/** Most files that a worker reports, so that the list fits in one message. */
const MAX_REPORTED = 200;

/**
 * The files of earlier datasets on this worker's disk, by SHA-256. A dataset that is submitted again, or has changed a little,
 * need not be sent again.
 *
 * If the disk cannot clone files, a job's file and the store's file are one file under two names. So the store needs no more
 * space while the job lasts, and neither may be written to. A file that was written to is noticed and not used again.
 *
 * The store has a size limit. The files that were used longest ago are removed first, and all of them if a dataset needs the
 * space.
 */
export class DatasetStore {
  /** The known hashes of the worker's files. */
  readonly cache: HashCache;
  readonly #folder: string;
  readonly #maxBytes: number;

  private constructor(folder: string, cache: HashCache, maxBytes: number) {
    this.#folder = folder;
    this.cache = cache;
    this.#maxBytes = maxBytes;
  }

  static async open({ workDir, maxBytes }: { workDir: string; maxBytes: number }): Promise<DatasetStore> {
    const folder = join(workDir, 'datasets');
    await mkdir(folder, { recursive: true });
    return new DatasetStore(await realpath(folder), await HashCache.open(join(workDir, 'file-hashes')), maxBytes);
  }

  /** SHA-256s of the largest files in the store. The worker of a job is chosen by them. */
  async largestFiles(): Promise<string[]> {
    const names = (await readdir(this.#folder)).filter((name) => Sha256.safeParse(name).success);
    const files = await Promise.all(
      names.map(async (name) => ({ name, size: await sizeOf(join(this.#folder, name)) })),
    );
    const largestFirst = files.sort((a, b) => b.size - a.size);
    return largestFirst.slice(0, MAX_REPORTED).map(({ name }) => name);
  }

  /** Lets a transfer take files from the store. */
  get reuse(): Reuse {
    return { folders: [this.#folder], link: true };
  }

  /** Places the files that the store has in a job's folder, and frees disk space for the others. @returns the missing files */
  async bring(folder: string, files: readonly FileEntry[], signal: AbortSignal): Promise<FileEntry[]> {
    const present = new Set(await readdir(this.#folder));
    for (const { sha256 } of files) {
      // The hash is not known if the worker died during a job. To read the file is still faster than to receive it.
      if (present.delete(sha256)) await describeContent(join(this.#folder, sha256), { signal, cache: this.cache });
    }
    const missing = await placeFiles(folder, files, { cache: this.cache, reuse: this.reuse, signal });
    const neededBytes = totalBytes(missing);
    const isShort = async () => (await freeBytes(this.#folder)) < neededBytes + RESERVE_BYTES;
    if (neededBytes > 0) await this.#evict(isShort);
    // A job that waits for its researcher has left what had come; another job needs the space now.
    const root = dirname(folder);
    if (neededBytes > 0 && (await isShort()))
      await removeLeftJobs(dirname(root), { except: basename(root), all: true });
    return missing;
  }

  /** Adds the files of a job's folder. Removes older ones if the store exceeds its size limit. */
  async add(folder: string, files: readonly FileEntry[]): Promise<void> {
    for (const { path } of files) await cacheOwnFile(join(folder, path), this.cache);
    const named = new Map(files.map((file) => [file.sha256, { ...file, path: file.sha256 }]));
    const added = [...named.values()].filter(({ size_bytes }) => size_bytes > 0 && size_bytes <= this.#maxBytes);
    await placeFiles(this.#folder, added, { cache: this.cache, reuse: { folders: [folder], link: true } });
    await this.#evict((bytes) => bytes > this.#maxBytes);
    await this.cache.save();
  }

  /** Removes a job's folder. That changes the times of files which the store shares with it, so their hashes are recorded again. */
  async removeJob(folder: string): Promise<void> {
    const known = new Map<string, KnownFile>();
    for (const name of await readdir(this.#folder)) {
      const file = await this.cache.find(join(this.#folder, name));
      if (file !== undefined) known.set(join(this.#folder, name), file);
    }
    await rm(folder, { recursive: true, force: true });
    for (const [path, file] of known) await this.cache.afterLinking(path, file);
    await this.cache.save();
  }

  /** Removes files while `isTooMuch`: first those whose hashes are not known, then those that were used longest ago. */
  async #evict(isTooMuch: (bytes: number) => boolean | Promise<boolean>): Promise<void> {
    const unknown = new Set((await readdir(this.#folder)).map((name) => join(this.#folder, name)));
    const known = [...this.cache.entries()].map(([path]) => path).filter((path) => unknown.delete(path));
    const usedLatestLast = [...unknown, ...known];
    const sizes = await Promise.all(usedLatestLast.map((path) => stat(path).then(({ size }) => size)));
    let bytes = sizes.reduce((sum, size) => sum + size, 0);
    for (const [index, path] of usedLatestLast.entries()) {
      if (!(await isTooMuch(bytes))) return;
      await rm(path, { recursive: true, force: true });
      this.cache.forget(path);
      bytes -= sizes[index] ?? 0;
    }
  }
}

/** A file's size; 0 if the file has just been removed. */
async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => ({ size: 0 }))).size;
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
