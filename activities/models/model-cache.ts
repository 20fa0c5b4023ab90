import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type FileEntry, FileList } from '../../protocol/files.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { type Bucket, fetchFile, inParallel } from '../../storage/index.ts';
import { linkOrCopy } from '../files/file-hashes.ts';
import { modelCacheFolder } from '../runs/job-folders.ts';
import { readModelFiles } from './model-files.ts';

const FILES_AT_ONCE = 4;
/** In each cached folder: the list of its files. */
const INDEX = 'files.json';
const Index = z.object({ files: FileList });

interface Download {
  promise: Promise<string>;
  abort: AbortController;
  waiting: number;
}

/**
 * The models on this worker's disk, one folder for each model id, each whole or not there: a folder is made under another name,
 * every file is checked against its SHA-256, and the folder is renamed when it is complete.
 */
export class ModelCache {
  readonly #bucket: Bucket;
  readonly #folder: string;
  readonly #downloads = new Map<string, Download>();

  constructor({ bucket, workDir }: { bucket: Bucket; workDir: string }) {
    this.#bucket = bucket;
    this.#folder = modelCacheFolder(workDir);
  }

  /** The folder of a model, whether or not it exists. */
  path(modelId: string): string {
    return join(this.#folder, modelId);
  }

  /** True if the cache has the whole model. */
  async has(modelId: string): Promise<boolean> {
    try {
      const { files } = Index.parse(JSON.parse(await readFile(join(this.path(modelId), INDEX), 'utf8')));
      for (const { path, size_bytes } of files) {
        if ((await stat(join(this.path(modelId), path))).size !== size_bytes) return false;
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Adds a model that was trained here. Its files are linked, so it takes no more space. */
  async add(modelId: string, from: string, files: readonly FileEntry[]): Promise<void> {
    if (await this.has(modelId)) return;
    await this.#make(modelId, files, (entry, to) => linkOrCopy(join(from, entry.path), to));
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
      if (!(await this.has(modelId))) {
        await rm(this.path(modelId), { recursive: true, force: true }); // damaged, such as by a full disk
        await rename(partial, this.path(modelId));
      }
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }
}

function damaged(modelId: string, { path }: FileEntry): SleapRtcError {
  return new SleapRtcError('INTEGRITY', `${path} of model ${modelId} is not what was published.`);
}
