import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type FileEntry, FileList } from '../../protocol/files.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { fetchFile } from '../../storage/fetch-file.ts';
import { inParallel } from '../../storage/in-parallel.ts';
import { linkOrCopy } from '../files/link-or-copy.ts';
import { readModelFiles } from './model-files.ts';

const FILES_AT_ONCE = 4;
/** In each cached folder: what it holds. Its own name, since a model's folder is otherwise just as sleap-nn left it. */
const INDEX = 'files.json';
const Index = z.object({ files: FileList });

interface Download {
  promise: Promise<string>;
  abort: AbortController;
  waiting: number;
}

/**
 * The models on this worker's disk, one folder a model id, each whole or not there: a folder is made under another name,
 * every file checked against its SHA-256, and renamed when complete.
 */
export class ModelCache {
  readonly #s3: S3Client;
  readonly #bucket: string;
  readonly #folder: string;
  readonly #downloads = new Map<string, Download>();

  constructor(options: { s3: S3Client; bucket: string; workDir: string }) {
    this.#s3 = options.s3;
    this.#bucket = options.bucket;
    this.#folder = join(options.workDir, 'models');
  }

  /** Where a model lies, whether or not it is there. */
  path(modelId: string): string {
    return join(this.#folder, modelId);
  }

  /** True where the cache holds the model. */
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

  /** Keeps a model that was trained here. Its files are linked, so it takes no more room. */
  async add(modelId: string, from: string, files: readonly FileEntry[]): Promise<void> {
    if (await this.has(modelId)) return;
    await this.#make(modelId, files, (entry, to) => linkOrCopy(join(from, entry.path), to));
  }

  /**
   * Sees to it that the model is here, and says where. Callers at the same time share one download, which goes on while
   * one of them still waits.
   * @throws SleapRtcError MODEL_NOT_FOUND; INTEGRITY (retryable) where bytes are not those promised
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
    promise.catch(() => undefined); // those who wait get it; there may be none left
    const download = { promise, abort, waiting: 0 };
    this.#downloads.set(key, download);
    return download;
  }

  async #download(modelId: string, room: string, signal: AbortSignal): Promise<string> {
    const list = await readModelFiles(this.#s3, { bucket: this.#bucket, room, modelId }, signal);
    if (list === undefined) throw new SleapRtcError('MODEL_NOT_FOUND', `The room has no model ${modelId}.`);
    await this.#make(modelId, list.files, (entry, to, signal) => this.#fetch(room, modelId, entry, to, signal), signal);
    return this.path(modelId);
  }

  async #fetch(room: string, modelId: string, entry: FileEntry, to: string, signal: AbortSignal): Promise<void> {
    const key = s3Layout.model(room, modelId) + entry.path;
    if (!(await fetchFile(this.#s3, { bucket: this.#bucket, key, to, entry, signal }))) throw damaged(modelId, entry);
  }

  /** Fills a folder beside and renames it; one that was made meanwhile by another is as good. */
  async #make(
    modelId: string,
    files: readonly FileEntry[],
    bring: (entry: FileEntry, to: string, signal: AbortSignal) => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    // Not a model id, so that nobody takes it for a model.
    const partial = join(this.#folder, `.partial-${modelId}-${randomBytes(4).toString('hex')}`);
    try {
      await mkdir(partial, { recursive: true });
      await inParallel(files, { limit: FILES_AT_ONCE, ...(signal ? { signal } : {}) }, async (entry, signal) => {
        const to = join(partial, entry.path);
        await mkdir(dirname(to), { recursive: true });
        await bring(entry, to, signal);
      });
      await writeFile(join(partial, INDEX), JSON.stringify({ files }));
      if (!(await this.has(modelId))) {
        await rm(this.path(modelId), { recursive: true, force: true }); // left damaged, e.g. by a full disk
        await rename(partial, this.path(modelId));
      }
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }
}

function damaged(modelId: string, { path }: FileEntry, cause?: unknown): SleapRtcError {
  return new SleapRtcError('INTEGRITY', `${path} of model ${modelId} is not what was published.`, { cause });
}
