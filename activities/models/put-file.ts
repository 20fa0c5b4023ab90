import { createReadStream } from 'node:fs';
import { HeadObjectCommand, NotFound, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { FileEntry } from '../../protocol/files.ts';
import { abortOption } from './model-files.ts';

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
  signal?: AbortSignal;
}

/**
 * Brings one file to S3, with its SHA-256 for S3 to check; a file that is there already with the same hash is left alone.
 * @returns whether bytes were sent
 */
export async function putFile(s3: S3Client, options: PutFileOptions): Promise<boolean> {
  const { bucket, key, from, entry, signal } = options;
  if ((await storedHash(s3, options)) === entry.sha256) return false;
  const object = { Bucket: bucket, Key: key, Metadata: { [HASH]: entry.sha256 }, ContentLength: entry.size_bytes };
  if (entry.size_bytes < MULTIPART_FROM_BYTES) {
    const Body = createReadStream(from);
    const ChecksumSHA256 = Buffer.from(entry.sha256, 'hex').toString('base64');
    try {
      await s3.send(new PutObjectCommand({ ...object, Body, ChecksumSHA256 }), abortOption(signal));
    } finally {
      Body.destroy();
    }
    return true;
  }
  const { ContentLength: _, ...parts } = object;
  const upload = new Upload({
    client: s3,
    params: { ...parts, Body: createReadStream(from), ChecksumAlgorithm: 'SHA256' },
    partSize: PART_BYTES,
    queueSize: PARTS_AT_ONCE,
  });
  const abort = () => void upload.abort();
  signal?.throwIfAborted();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await upload.done();
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  return true;
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
