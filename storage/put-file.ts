import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { HeadObjectCommand, NotFound, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { SleapRtcError } from '../protocol/errors.ts';
import type { FileEntry } from '../protocol/files.ts';
import { abortOption } from './abort-option.ts';
import { isConflict } from './storage-errors.ts';

/** Larger files go up in parts, so that a break costs one part; in bytes. */
const MULTIPART_FROM_BYTES = 64 * 2 ** 20;
/** S3 allows 10,000 parts, so this size of part reaches 320 GB. */
const PART_BYTES = 32 * 2 ** 20;
const PARTS_AT_ONCE = 3;

/** What a file is in S3: our own note of its hash, since S3's checksum of an object in parts is not that of the file. */
const HASH = 'sha256';

export interface PutFileOptions {
  bucket: string;
  key: string;
  /** Absolute path of the file. */
  from: string;
  entry: FileEntry;
  /** For a key that names the content: whoever was first has stored the same. */
  ifAbsent?: boolean;
  signal?: AbortSignal;
}

/**
 * Brings one file to S3, checked against its SHA-256 on the way; a file that is there already with the same hash is left alone.
 * @returns whether bytes were sent
 * @throws SleapRtcError INTEGRITY (retryable) where the file is not what `entry` says; errors of S3 pass
 */
export async function putFile(s3: S3Client, options: PutFileOptions): Promise<boolean> {
  if ((await storedHash(s3, options)) === options.entry.sha256) return false;
  try {
    if (options.entry.size_bytes < MULTIPART_FROM_BYTES) await putWhole(s3, options);
    else await putInParts(s3, options);
    return true;
  } catch (error) {
    if (options.ifAbsent && isConflict(error)) return false;
    throw error;
  }
}

/** S3 itself compares the bytes with the hash. */
async function putWhole(s3: S3Client, options: PutFileOptions): Promise<void> {
  const { from, entry, signal } = options;
  const Body = createReadStream(from);
  const ChecksumSHA256 = Buffer.from(entry.sha256, 'hex').toString('base64');
  const put = { ...object(options), Body, ChecksumSHA256, ContentLength: entry.size_bytes };
  try {
    await s3.send(new PutObjectCommand(put), abortOption(signal));
  } finally {
    Body.destroy();
  }
}

/** S3 compares each part with its own hash; the whole is compared here, before the parts become an object. */
async function putInParts(s3: S3Client, options: PutFileOptions): Promise<void> {
  const { from, entry, signal } = options;
  signal?.throwIfAborted();
  const upload = new Upload({
    client: s3,
    params: { ...object(options), Body: Readable.from(checked(from, entry)), ChecksumAlgorithm: 'SHA256' },
    partSize: PART_BYTES,
    queueSize: PARTS_AT_ONCE,
  });
  const abort = () => void upload.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await upload.done();
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** The file's bytes; ends with an error, which keeps the object from being made, where they are not those promised. */
async function* checked(from: string, entry: FileEntry): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(from, { highWaterMark: 2 ** 20 })) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') !== entry.sha256) {
    throw new SleapRtcError('INTEGRITY', `${entry.path} has changed since it was described.`);
  }
}

function object({ bucket, key, entry, ifAbsent }: PutFileOptions) {
  const condition = ifAbsent ? { IfNoneMatch: '*' } : {};
  return { Bucket: bucket, Key: key, Metadata: { [HASH]: entry.sha256 }, ...condition };
}

/** The hash of what is stored under the key, by our note; undefined where there is nothing or nothing of ours. */
async function storedHash(s3: S3Client, { bucket, key, entry, signal }: PutFileOptions): Promise<string | undefined> {
  try {
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), abortOption(signal));
    return head.ContentLength === entry.size_bytes ? head.Metadata?.[HASH] : undefined;
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}
