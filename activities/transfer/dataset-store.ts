import { mkdir, readdir, realpath, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
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

/** Room to leave on the disk beside what a dataset takes, in bytes: for what a job makes. */
const RESERVE_BYTES = 2 ** 30;

/** Most files that are told of, so that the list goes into one message. */
const MAX_TOLD = 200;

/**
 * The files of earlier datasets on this worker's disk, by SHA-256, so that a dataset that is submitted again, or has changed a
 * little, need not come again. A job's file and the store's are one file under two names where the disk cannot clone, so
 * keeping costs no room while the job lasts, and neither may be written to: one that was is noticed and not used again.
 * Bounded; what was used longest ago goes first, and everything goes before a dataset would not fit on the disk.
 */
export class DatasetStore {
  /** What is known of the worker's files. */
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

  /** SHA-256s of the largest files that are here, as a job's worker is chosen by them. */
  async largestFiles(): Promise<string[]> {
    const names = (await readdir(this.#folder)).filter((name) => Sha256.safeParse(name).success);
    const files = await Promise.all(
      names.map(async (name) => ({ name, size: await sizeOf(join(this.#folder, name)) })),
    );
    const largestFirst = files.sort((a, b) => b.size - a.size);
    return largestFirst.slice(0, MAX_TOLD).map(({ name }) => name);
  }

  /** For a transfer to take from. */
  get reuse(): Reuse {
    return { folders: [this.#folder], link: true };
  }

  /** Brings what is here into a job's folder, and makes room on the disk for the rest. @returns what is missing there */
  async bring(folder: string, files: readonly FileEntry[], signal: AbortSignal): Promise<FileEntry[]> {
    const present = new Set(await readdir(this.#folder));
    for (const { sha256 } of files) {
      // Unknown where the worker died amid a job. Reading it is still quicker than having it sent.
      if (present.delete(sha256)) await describeContent(join(this.#folder, sha256), { signal, cache: this.cache });
    }
    const missing = await placeFiles(folder, files, { cache: this.cache, reuse: this.reuse, signal });
    const neededBytes = totalBytes(missing);
    if (neededBytes > 0) await this.#evict(async () => (await freeBytes(this.#folder)) < neededBytes + RESERVE_BYTES);
    return missing;
  }

  /** Keeps what has come to a job's folder as far as the disk allows, and forgets what is too much. */
  async keep(folder: string, files: readonly FileEntry[]): Promise<void> {
    for (const { path } of files) await cacheOwnFile(join(folder, path), this.cache);
    const named = new Map(files.map((file) => [file.sha256, { ...file, path: file.sha256 }]));
    const kept = [...named.values()].filter(({ size_bytes }) => size_bytes > 0 && size_bytes <= this.#maxBytes);
    await placeFiles(this.#folder, kept, { cache: this.cache, reuse: { folders: [folder], link: true } });
    await this.#evict((bytes) => bytes > this.#maxBytes);
    await this.cache.save();
  }

  /** Removes a job's folder. What the store has of it stays known, which losing a name would end (it changes a file's time). */
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

  /** Removes what was used longest ago as long as `isTooMuch`, first what the cache does not know any more. */
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

/** One that is being evicted meanwhile has none. */
async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => ({ size: 0 }))).size;
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
