import { SleapRtcError } from '../protocol/errors.ts';
import type { FileEntry } from '../protocol/files.ts';
import type { Bucket, ObjectInfo, RequestOptions } from './bucket.ts';

/** S3 copies larger objects in parts only (AWS, CopyObject); those are uploaded again. */
const MAX_COPY_BYTES = 5 * 2 ** 30;

/**
 * Copies a file within S3, if S3 has it under the key `from`, and checks the copy: its size, and its SHA-256 as S3 has computed it.
 * If S3 has not computed one, the copy must have the ETag of the source, whose bytes were checked when they were put.
 * @returns `missing` if there is no such source; `failed` if S3 could not copy it, or the copy is not the same. Then the file must be
 *   uploaded, with `replace`: a copy has the note of its source, by which it would count as the file
 */
export async function copyFile(
  bucket: Bucket,
  { from, to, entry, signal }: RequestOptions & { from: string; to: string; entry: FileEntry },
): Promise<'copied' | 'missing' | 'failed'> {
  if (entry.size_bytes > MAX_COPY_BYTES) return 'missing';
  const source = await bucket.info(from, { signal });
  if (source?.etag === undefined || !isNoted(source, entry)) return 'missing';
  const copy = await bucket.copy(from, to, source.etag, { signal }).catch(undefinedIfUnreachable);
  return copy !== undefined && isNoted(copy, entry) && hasSameBytes(copy, source, entry) ? 'copied' : 'failed';
}

/** Some servers are silent for longer than the client waits, or do not know the request. If nothing reaches S3, the upload fails, too. */
function undefinedIfUnreachable(error: unknown): undefined {
  if (error instanceof SleapRtcError && error.code === 'STORAGE_UNREACHABLE') return undefined;
  throw error;
}

function hasSameBytes(copy: ObjectInfo, source: ObjectInfo, { sha256 }: FileEntry): boolean {
  return copy.checkedSha256 === undefined ? copy.etag === source.etag : copy.checkedSha256 === sha256;
}

function isNoted({ sizeBytes, sha256 }: ObjectInfo, entry: FileEntry): boolean {
  return sizeBytes === entry.size_bytes && sha256 === entry.sha256;
}
