import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat, truncate } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SleapRtcError } from '../protocol/errors.ts';
import type { FileEntry } from '../protocol/files.ts';
import type { Bucket, RequestOptions } from './bucket.ts';

export interface FetchFileOptions extends RequestOptions {
  key: string;
  /** Absolute path. The download continues what an earlier attempt left there. Nobody may use it before this function returns. */
  to: string;
  entry: FileEntry;
  /** Called with the size of each part that is there; first with what an earlier attempt left. */
  onBytes?: (bytes: number) => void;
}

/**
 * Downloads one file from S3 and checks it against its size and SHA-256. The memory it takes does not grow with the file.
 * @returns false if S3 has no such object
 * @throws SleapRtcError INTEGRITY (retryable) if its size or hash is wrong, in which case the file is removed; DISK_FULL
 */
export async function fetchFile(bucket: Bucket, options: FetchFileOptions): Promise<boolean> {
  const { key, to, entry, signal, onBytes } = options;
  const hash = createHash('sha256');
  let size = await hashWhatIsThere(to, entry, hash);
  const resumed = size > 0;
  if (resumed) onBytes?.(size);
  if (size < entry.size_bytes || entry.size_bytes === 0) {
    const object = await bucket.get(key, { signal, ...(resumed ? { range: { from: size } } : {}) }).catch(restart);
    if (object === undefined) return false;
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        size += chunk.length;
        onBytes?.(chunk.length);
        done(size > entry.size_bytes ? damaged(entry) : null, chunk);
      },
    });
    const file = createWriteStream(to, { flags: resumed ? 'a' : 'w' });
    await bucket.run(() => pipeline(object.stream(), count, file, signal ? { signal } : {}));
  }
  if (size === entry.size_bytes && hash.digest('hex') === entry.sha256) return true;
  await truncate(to);
  throw damaged(entry);

  /** What S3 has is shorter than what is here already: the next attempt starts from the beginning. */
  async function restart(error: unknown): Promise<never> {
    if (!(error instanceof SleapRtcError) || error.code !== 'INTEGRITY') throw error;
    await truncate(to);
    throw damaged(entry, error);
  }
}

/** Hashes what an earlier attempt left. @returns its size, which is 0 if it was too large and was removed */
async function hashWhatIsThere(path: string, entry: FileEntry, hash: Hash): Promise<number> {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size === 0) return 0;
  if (size > entry.size_bytes) {
    await truncate(path);
    return 0;
  }
  await pipeline(createReadStream(path), async (chunks) => {
    for await (const chunk of chunks) hash.update(chunk);
  });
  return size;
}

function damaged({ path }: FileEntry, cause?: Error): SleapRtcError {
  return new SleapRtcError('INTEGRITY', `${path} in the room’s storage is not what was put there.`, { cause });
}
