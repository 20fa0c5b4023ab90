import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { type FileEntry, FileList, totalBytes } from '../../../protocol/files.ts';
import type { TransferProgress } from '../../../protocol/jobs/job-view.ts';
import { ProgressMeter } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';
import { networkReason, pause } from '../api/http.ts';
import { isPublishedFile } from './published-files.ts';

/** Attempts to download files that arrive damaged. */
const ATTEMPTS = 4;
/** Pause after the first attempt, in ms; it grows with each attempt. */
const PAUSE_MS = 1_000;

/** Options of a download. */
export interface DownloadOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: TransferProgress) => void) | undefined;
}

/**
 * Downloads a published model's files from S3 into a folder; see `downloadFiles`.
 * @throws SleapRtcError MODEL_NOT_FOUND, INTEGRITY, STORAGE_UNREACHABLE, DISK_FULL
 */
export function downloadModel(
  api: RoomApi,
  modelId: string,
  folder: string,
  options?: DownloadOptions,
): Promise<FileEntry[]> {
  return downloadFiles(() => api.modelFiles(modelId), folder, options);
}

/**
 * Downloads an inference job's predictions from S3 into a folder; see `downloadFiles`.
 * @throws SleapRtcError JOB_NOT_FOUND, INTEGRITY, STORAGE_UNREACHABLE, DISK_FULL
 */
export function downloadPredictions(
  api: RoomApi,
  jobId: string,
  folder: string,
  options?: DownloadOptions,
): Promise<FileEntry[]> {
  return downloadFiles(() => api.jobResults(jobId), folder, options);
}

type List = () => Promise<{ files: (FileEntry & { url: string })[] }>;

/**
 * Downloads files through short-lived URLs of the API, and checks each against its SHA-256. Skips files that are complete already,
 * so that a download continues after the storage was unavailable.
 */
async function downloadFiles(list: List, folder: string, options: DownloadOptions = {}): Promise<FileEntry[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchMissing(list, folder, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      const isDamaged = error instanceof SleapRtcError && error.code === 'INTEGRITY';
      if (!isDamaged || attempt === ATTEMPTS) throw error;
      await pause(PAUSE_MS * attempt, options.signal);
    }
  }
}

async function fetchMissing(list: List, folder: string, options: DownloadOptions): Promise<FileEntry[]> {
  const { files } = await list();
  if (!FileList.safeParse(files).success) {
    throw new SleapRtcError('PATH_UNSAFE', 'The room’s storage has files whose names are not safe to write.');
  }
  const meter = new ProgressMeter(totalBytes(files), options.onProgress);
  for (const file of files) {
    const target = join(folder, file.path);
    if (await isPublishedFile(target, file)) meter.had(file.size_bytes);
    else await fetchFile(file, { target, partial: `${folder}.part` }, meter, options.signal);
  }
  meter.finish();
  return files.map(({ path, size_bytes, sha256 }) => ({ path, size_bytes, sha256 }));
}

/** `partial` is outside of the folder: no file of it can have that name, and none needs room for an ending behind its own. */
async function fetchFile(
  file: FileEntry & { url: string },
  { target, partial }: { target: string; partial: string },
  meter: ProgressMeter,
  signal: AbortSignal | undefined,
): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const hash = createHash('sha256');
  let size = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      // The file is larger than promised.
      if (size > file.size_bytes) return done(integrity(file.path));
      hash.update(chunk);
      meter.moved(chunk.length);
      done(null, chunk);
    },
  });
  const body = await openUrl(file, signal);
  try {
    await pipeline(body, check, createWriteStream(partial), signal === undefined ? {} : { signal });
  } catch (error) {
    throw downloadError(error, file.path);
  }
  if (size !== file.size_bytes || hash.digest('hex') !== file.sha256) throw integrity(file.path);
  await rename(partial, target);
}

async function openUrl(file: FileEntry & { url: string }, signal: AbortSignal | undefined): Promise<Readable> {
  let response: Response;
  try {
    response = await fetch(file.url, signal === undefined ? {} : { signal });
  } catch (error) {
    throw downloadError(error, file.path);
  }
  if (response.status === 404)
    throw new SleapRtcError('INTEGRITY', `The file ${file.path} is missing in the room’s storage.`);
  if (!response.ok || response.body === null) {
    throw new SleapRtcError(
      'STORAGE_UNREACHABLE',
      `The room’s storage answered with status ${response.status} for ${file.path}.`,
    );
  }
  return Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
}

function downloadError(error: unknown, path: string): unknown {
  if (error instanceof SleapRtcError) return error;
  if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') {
    return new SleapRtcError('DISK_FULL', `The disk is full: ${path} could not be downloaded.`, { cause: error });
  }
  return new SleapRtcError('STORAGE_UNREACHABLE', `${path} could not be downloaded: ${networkReason(error)}.`, {
    cause: error,
  });
}

function integrity(path: string): SleapRtcError {
  return new SleapRtcError('INTEGRITY', `${path} arrived damaged: it is not the published file.`);
}
