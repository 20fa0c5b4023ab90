import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { Upload } from '@aws-sdk/lib-storage';
import { SleapRtcError } from '../protocol/errors.ts';
import type { FileEntry } from '../protocol/files.ts';
import { type Bucket, conditionHeaders, type RequestOptions } from './bucket.ts';
import { isChecksumMismatch, isConflict } from './storage-errors.ts';

/** Larger files are uploaded in parts, so that a lost connection costs one part; in bytes. */
const MULTIPART_FROM_BYTES = 64 * 2 ** 20;
/** S3 allows 10,000 parts, so parts of this size reach 320 GB. */
const PART_BYTES = 32 * 2 ** 20;
const PARTS_AT_ONCE = 3;

export interface PutFileOptions extends RequestOptions {
  key: string;
  /** Absolute path of the file. */
  from: string;
  entry: FileEntry;
  /** True for a key that names the content: if the object exists, it has the same bytes. */
  ifAbsent?: boolean;
  /** True if the file must be sent, even if what S3 has is noted to have the same hash. */
  replace?: boolean;
}

/**
 * Uploads one file to S3, which is checked against its SHA-256 on the way. A file that S3 has already, with the same hash, is not
 * sent again.
 * @returns whether bytes were sent
 * @throws SleapRtcError INTEGRITY (retryable) if the file is not what `entry` says
 */
export async function putFile(bucket: Bucket, options: PutFileOptions): Promise<boolean> {
  const { entry, replace = false } = options;
  const stored = replace ? undefined : await bucket.info(options.key, options);
  if (stored?.sizeBytes === entry.size_bytes && stored.sha256 === entry.sha256) return false;
  return bucket.run(async () => {
    if (entry.size_bytes < MULTIPART_FROM_BYTES) return putWhole(bucket, options);
    return putInParts(bucket, options);
  });
}

/** S3 compares the bytes with the hash. */
async function putWhole(bucket: Bucket, { key, from, entry, ifAbsent, signal }: PutFileOptions): Promise<boolean> {
  const body = createReadStream(from);
  const put = { signal, sha256: entry.sha256, sizeBytes: entry.size_bytes };
  try {
    const etag = await bucket.put(key, body, { ...put, condition: ifAbsent ? 'absent' : undefined });
    return etag !== undefined;
  } catch (error) {
    throw error instanceof Error && isChecksumMismatch(error.cause) ? changed(entry) : error;
  } finally {
    body.destroy();
  }
}

/** S3 compares each part with a checksum; the whole is compared here, before the parts become an object. */
async function putInParts(bucket: Bucket, { key, from, entry, ifAbsent, signal }: PutFileOptions): Promise<boolean> {
  signal?.throwIfAborted();
  const condition = conditionHeaders(ifAbsent ? 'absent' : undefined);
  const upload = new Upload({
    client: bucket.s3,
    params: {
      ...bucket.object(key),
      ...bucket.note(entry.sha256),
      ...condition,
      Body: Readable.from(checked(from, entry)),
      ChecksumAlgorithm: 'CRC32',
    },
    partSize: PART_BYTES,
    queueSize: PARTS_AT_ONCE,
  });
  const abort = () => void upload.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await upload.done();
    return true;
  } catch (error) {
    if (ifAbsent && isConflict(error)) return false;
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** The file's bytes. It ends with an error if they are not those promised, which prevents the object. */
async function* checked(from: string, entry: FileEntry): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(from, { highWaterMark: 2 ** 20 })) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') !== entry.sha256) throw changed(entry);
}

function changed({ path }: FileEntry): SleapRtcError {
  return new SleapRtcError('INTEGRITY', `${path} has changed since it was described.`);
}
