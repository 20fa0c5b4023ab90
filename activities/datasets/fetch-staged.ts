import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { FileEntry } from '../../protocol/files.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { type Bucket, fetchFile, inParallel } from '../../storage/index.ts';
import { missingFiles } from '../../transport/index.ts';

const FILES_AT_ONCE = 8;

export interface FetchStaged {
  bucket: Bucket;
  room: string;
  /** The folder for the files. A file has its name there only when it is whole. */
  folder: string;
  /** For unfinished downloads, on the same disk. They continue what an earlier attempt left there. */
  partial: string;
  entries: readonly FileEntry[];
  signal: AbortSignal;
  onBytes: (bytes: number) => void;
}

/**
 * Downloads those of the files that are not in the folder yet, as far as they are staged in the room's storage. A file that is
 * damaged there counts as not staged.
 * @returns those that have to come from elsewhere
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable), DISK_FULL
 */
export async function fetchStaged(options: FetchStaged): Promise<FileEntry[]> {
  const { bucket, room, folder, partial, entries, signal, onBytes } = options;
  const wanted = await missingFiles(folder, entries);
  const missing: FileEntry[] = [];
  await mkdir(partial, { recursive: true });
  await inParallel(wanted, { limit: FILES_AT_ONCE, signal }, async (entry, signal) => {
    const to = join(partial, `${entry.sha256}-${entries.indexOf(entry)}`);
    const key = s3Layout.dataset(room, entry.sha256);
    const fetched = await fetchFile(bucket, { key, to, entry, signal, onBytes }).catch((error: unknown) => {
      if (error instanceof SleapRtcError && error.code === 'INTEGRITY') return false;
      throw error;
    });
    if (!fetched) {
      missing.push(entry);
      return;
    }
    const path = join(folder, entry.path);
    await mkdir(dirname(path), { recursive: true });
    await rename(to, path);
  });
  await rm(partial, { recursive: true, force: true });
  return missing;
}
