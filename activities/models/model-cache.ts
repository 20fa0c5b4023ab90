import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type FileEntry, FileList, totalBytes } from '../../protocol/files.ts';
import { ModelId } from '../../protocol/ids.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { type Bucket, fetchFile, inParallel } from '../../storage/index.ts';
import { isWhole, linkOrCopy } from '../files/file-hashes.ts';
import { modelCacheFolder } from '../runs/job-folders.ts';
import { readModelFiles } from './model-files.ts';

const FILES_AT_ONCE = 4;
/** A folder that is being made or removed for longer than this belongs to a process that died; in milliseconds. */
const LEFT_BEHIND_MS = 24 * 60 * 60_000;
/** In each cached folder: the list of its files. */
const INDEX = 'files.json';
const Index = z.object({ files: FileList });

interface ModelCacheOptions {
  bucket: Bucket;
  workDir: string;
  /** Largest size of the cache, in bytes; the model that was used last stays even if it is larger. Default: no limit. */
  maxBytes?: number | undefined;
}

interface Download {
  promise: Promise<string>;
  abort: AbortController;
  waiting: number;
}

/** Attempts to take a model out of the cache while other workers change it. */
const MAX_ATTEMPTS = 5;

/**
 * The models on this worker's disk, one folder for each model id, each whole or not there: a folder is made under another name,
 * every file is checked against its SHA-256, and the folder is renamed when it is complete. A job gets names of its own for the files,
 * which are checked again then: a model that has changed on the disk is not used.
 *
 * The cache has a size limit; the models that were used longest ago are removed first. Several workers may share the folder: each change
 * is one rename, and a model that is removed stays under the names that jobs have for it.
 */
export class ModelCache {
  readonly #bucket: Bucket;
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #downloads = new Map<string, Download>();

  constructor({ bucket, workDir, maxBytes = Number.POSITIVE_INFINITY }: ModelCacheOptions) {
    this.#bucket = bucket;
    this.#folder = modelCacheFolder(workDir);
    this.#maxBytes = maxBytes;
  }

  /** The folder of a model, whether or not it exists. */
  path(modelId: string): string {
    return join(this.#folder, modelId);
  }

  /** True if the cache has the whole model, and each file has its SHA-256. */
  async has(modelId: string): Promise<boolean> {
    const files = await this.#filesOf(modelId);
    return files !== undefined && (await isWhole(this.path(modelId), files));
  }

  /** Adds a model that was trained here. Its files are linked, so it takes no more space. */
  async add(modelId: string, from: string, files: readonly FileEntry[]): Promise<void> {
    if (await this.has(modelId)) return;
    await this.#make(modelId, files, (entry, to) => linkOrCopy(join(from, entry.path), to));
  }

  /**
   * Gives the model's files names in a job's folder, where they stay for the job's time, whatever happens in the cache. The model is
   * downloaded if it is not here, or has changed on the disk. One that is here is hashed once.
   * @param options.onDownload called before a download
   * @returns true if the model was downloaded
   * @throws SleapRtcError MODEL_NOT_FOUND; INTEGRITY (retryable) if the bytes are not those promised; what `onDownload` throws
   */
  async place(
    modelId: string,
    room: string,
    to: string,
    { signal, onDownload }: { signal: AbortSignal; onDownload?: () => Promise<void> },
  ): Promise<boolean> {
    let attempt = 1;
    for (; !(await this.#placeCached(modelId, to)); attempt += 1) {
      if (attempt === MAX_ATTEMPTS)
        throw new SleapRtcError('INTEGRITY', `Model ${modelId} changes on the worker’s disk.`);
      await onDownload?.();
      await this.ensure(modelId, room, { signal });
    }
    const now = new Date();
    await utimes(join(this.path(modelId), INDEX), now, now).catch(() => undefined);
    return attempt > 1;
  }

  /** @returns false if the model is not in the cache, or has changed on the disk */
  async #placeCached(modelId: string, to: string): Promise<boolean> {
    const files = await this.#filesOf(modelId);
    await rm(to, { recursive: true, force: true });
    return files !== undefined && (await this.#link(modelId, files, to)) && (await isWhole(to, files));
  }

  /** @returns false if another worker removes the model at this moment */
  async #link(modelId: string, files: readonly FileEntry[], to: string): Promise<boolean> {
    try {
      for (const { path } of files) {
        await mkdir(dirname(join(to, path)), { recursive: true });
        await linkOrCopy(join(this.path(modelId), path), join(to, path));
      }
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** The list of a cached model's files; undefined if it is not here. */
  async #filesOf(modelId: string): Promise<readonly FileEntry[] | undefined> {
    try {
      return Index.parse(JSON.parse(await readFile(join(this.path(modelId), INDEX), 'utf8'))).files;
    } catch {
      return undefined;
    }
  }

  /**
   * Downloads the model unless it is here, and returns its folder. Concurrent callers share one download, which goes on while
   * at least one of them waits.
   * @throws SleapRtcError MODEL_NOT_FOUND; INTEGRITY (retryable) if the bytes are not those promised
   */
  async ensure(modelId: string, room: string, options: { signal: AbortSignal }): Promise<string> {
    if (await this.has(modelId)) return this.path(modelId);
    options.signal.throwIfAborted();
    const key = `${room}/${modelId}`;
    const download = this.#downloads.get(key) ?? this.#begin(key, modelId, room);
    download.waiting += 1;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(options.signal.reason);
    options.signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([download.promise, aborted]);
    } finally {
      options.signal.removeEventListener('abort', onAbort);
      download.waiting -= 1;
      if (download.waiting === 0) download.abort.abort();
    }
  }

  #begin(key: string, modelId: string, room: string): Download {
    const abort = new AbortController();
    const promise = this.#download(modelId, room, abort.signal).finally(() => this.#downloads.delete(key));
    promise.catch(() => undefined); // those who wait get the error; there may be none left
    const download = { promise, abort, waiting: 0 };
    this.#downloads.set(key, download);
    return download;
  }

  async #download(modelId: string, room: string, signal: AbortSignal): Promise<string> {
    const list = await readModelFiles({ bucket: this.#bucket, room, modelId }, { signal });
    if (list === undefined) throw new SleapRtcError('MODEL_NOT_FOUND', `The room has no model ${modelId}.`);
    await this.#make(modelId, list.files, (entry, to, signal) => this.#fetch(room, modelId, entry, to, signal), signal);
    return this.path(modelId);
  }

  async #fetch(room: string, modelId: string, entry: FileEntry, to: string, signal: AbortSignal): Promise<void> {
    const key = s3Layout.model(room, modelId) + entry.path;
    if (!(await fetchFile(this.#bucket, { key, to, entry, signal }))) throw damaged(modelId, entry);
  }

  /** Fills a folder beside the model's, and renames it. If another caller has made the model in between, that one stays. */
  async #make(
    modelId: string,
    files: readonly FileEntry[],
    makeFile: (entry: FileEntry, to: string, signal: AbortSignal) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    // Its name is not a model id, so that it is never taken for a model.
    const partial = join(this.#folder, `.partial-${modelId}-${randomBytes(4).toString('hex')}`);
    try {
      await mkdir(partial, { recursive: true });
      await inParallel(files, { limit: FILES_AT_ONCE, signal }, async (entry, signal) => {
        const to = join(partial, entry.path);
        await mkdir(dirname(to), { recursive: true });
        await makeFile(entry, to, signal);
      });
      await writeFile(join(partial, INDEX), JSON.stringify({ files }));
      await this.#install(partial, modelId);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
    await this.#evict(modelId);
  }

  async #install(partial: string, modelId: string): Promise<void> {
    for (let attempt = 1; !(await this.has(modelId)); attempt += 1) {
      await this.#remove(modelId); // damaged, such as by a full disk
      try {
        return await rename(partial, this.path(modelId));
      } catch (error) {
        // Another worker has made it in between.
        if (attempt === MAX_ATTEMPTS || !isThere(error)) throw error;
      }
    }
  }

  /** Removes a model at once for all who look for it; files that jobs have names for stay for them. */
  async #remove(modelId: string): Promise<void> {
    const removed = join(this.#folder, `.removed-${modelId}-${randomBytes(4).toString('hex')}`);
    try {
      await rename(this.path(modelId), removed);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    await rm(removed, { recursive: true, force: true });
  }

  /** Removes the models that were used longest ago while the cache exceeds its limit, and what processes that died have left. */
  async #evict(latest: string): Promise<void> {
    const models: { id: string; usedMs: number; bytes: number }[] = [];
    for (const name of await readdir(this.#folder)) {
      if (ModelId.safeParse(name).success) {
        const index = await stat(join(this.path(name), INDEX)).catch(() => undefined);
        models.push({ id: name, usedMs: index?.mtimeMs ?? 0, bytes: totalBytes((await this.#filesOf(name)) ?? []) });
      } else if (name.startsWith('.') && (await ageMs(join(this.#folder, name))) > LEFT_BEHIND_MS) {
        await rm(join(this.#folder, name), { recursive: true, force: true });
      }
    }
    let bytes = models.reduce((sum, model) => sum + model.bytes, 0);
    for (const model of models.sort((a, b) => a.usedMs - b.usedMs)) {
      if (bytes <= this.#maxBytes) return;
      if (model.id === latest) continue;
      await this.#remove(model.id);
      bytes -= model.bytes;
    }
  }
}

async function ageMs(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? 0 : Date.now() - found.mtimeMs;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function isThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST');
}

function damaged(modelId: string, { path }: FileEntry): SleapRtcError {
  return new SleapRtcError('INTEGRITY', `${path} of model ${modelId} is not what was published.`);
}
