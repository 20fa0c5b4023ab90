import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat, truncate } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, NoSuchKey, type S3Client } from '@aws-sdk/client-s3';
import { SleapRtcError } from '../protocol/errors.ts';
import type { FileEntry } from '../protocol/files.ts';
import { abortOption } from './abort-option.ts';

export interface FetchFileOptions {
  bucket: string;
  key: string;
  /** Absolute path; what an earlier attempt left there is gone on from. Not to be used before this function is done. */
  to: string;
  entry: FileEntry;
  signal?: AbortSignal;
  /** Called with each lot of bytes, those that were there already first. */
  onBytes?: (bytes: number) => void;
}

/**
 * Brings one file from S3, checked against its size and SHA-256; memory does not grow with its size.
 * @returns false where S3 has no such object
 * @throws SleapRtcError INTEGRITY (retryable) where it is not what was promised: it is then forgotten; errors of S3 pass
 */
export async function fetchFile(s3: S3Client, options: FetchFileOptions): Promise<boolean> {
  const { bucket, key, to, entry, signal, onBytes } = options;
  const hash = createHash('sha256');
  let size = await hashWhatIsThere(to, entry, hash);
  if (size > 0) onBytes?.(size);
  if (size < entry.size_bytes || entry.size_bytes === 0) {
    const Range = size > 0 ? { Range: `bytes=${size}-` } : {};
    const body = await s3
      .send(new GetObjectCommand({ Bucket: bucket, Key: key, ...Range }), abortOption(signal))
      .then(({ Body }) => Body)
      .catch((error: unknown) => {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      });
    if (body === undefined) return false;
    if (!(body instanceof Readable)) throw new Error('the SDK gives streams in Node');
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        size += chunk.length;
        onBytes?.(chunk.length);
        done(size > entry.size_bytes ? damaged(entry) : null, chunk);
      },
    });
    const flags = Range.Range === undefined ? 'w' : 'a';
    await pipeline(body, count, createWriteStream(to, { flags }), signal ? { signal } : {});
  }
  if (size === entry.size_bytes && hash.digest('hex') === entry.sha256) return true;
  await truncate(to);
  throw damaged(entry);
}

/** @returns the size of what an earlier attempt left, which is in the hash now; too much of it is thrown away */
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

function damaged({ path }: FileEntry): SleapRtcError {
  return new SleapRtcError('INTEGRITY', `${path} in the room’s storage is not what was put there.`);
}
