import { S3ServiceException } from '@aws-sdk/client-s3';
import { SleapRtcError } from '../protocol/errors.ts';
import { diskFullOr } from './disk-full.ts';

/** Node's error codes for a network that does not work now. */
const UNREACHABLE =
  /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|UND_ERR_.*)$/;

/**
 * What a refusal by S3 means to the caller. A worker reports NOT_ALLOWED: no retry on this worker can help. A server reports
 * STORAGE_UNREACHABLE: its users can only wait until an admin has corrected its credentials.
 */
export type DeniedCode = 'NOT_ALLOWED' | 'STORAGE_UNREACHABLE';

/** An object is not what its schema says. */
export class DamagedObjectError extends SleapRtcError {
  constructor(key: string, cause: unknown) {
    super('INTERNAL', `${key} in the room’s storage is damaged.`, { cause });
  }
}

/**
 * Turns an error of the S3 client into one with a code of ours. Aborts and our own errors pass unchanged.
 * @returns STORAGE_UNREACHABLE (retryable) for network errors and answers of S3, `denied` if S3 refuses the credentials,
 *   DISK_FULL for a local disk; anything else as it is
 */
export function storageError(error: unknown, denied: DeniedCode): unknown {
  if (error instanceof SleapRtcError || !(error instanceof Error) || error.name === 'AbortError') return error;
  const status = statusOf(error);
  if ((status === 401 || status === 403) && denied === 'NOT_ALLOWED') {
    return new SleapRtcError('NOT_ALLOWED', `S3 refused this worker (${error.name}).`, {
      cause: error,
      remedy: 'Ask the lab’s admin to check the worker’s S3 credentials.',
    });
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const isUnreachable = UNREACHABLE.test(code) || /^(TimeoutError|CredentialsProviderError)$/.test(error.name);
  if (status !== undefined || isUnreachable) {
    return new SleapRtcError('STORAGE_UNREACHABLE', `The room’s storage (S3) cannot be reached (${error.name}).`, {
      cause: error,
    });
  }
  return diskFullOr(error);
}

/** True if S3 says that there is no such object; it names this differently for GET and HEAD. */
export function isMissing(error: unknown): boolean {
  return error instanceof S3ServiceException && (error.name === 'NoSuchKey' || error.name === 'NotFound');
}

/**
 * True if the condition of a write does not hold: 412; 409 if two writes came at the same time; 404 is the answer of AWS to If-Match if the object
 * is gone.
 */
export function isConflict(error: unknown): boolean {
  if (!(error instanceof S3ServiceException) || error.name === 'NoSuchBucket') return false;
  return [404, 409, 412].includes(statusOf(error) ?? 0);
}

/** True if S3 answers that the object has the ETag that the caller knows. */
export function isNotModified(error: unknown): boolean {
  return statusOf(error) === 304;
}

/** True if S3 found that the bytes it received do not have the checksum that was promised. */
export function isChecksumMismatch(error: unknown): boolean {
  return error instanceof S3ServiceException && /BadDigest|InvalidDigest|ChecksumMismatch/i.test(error.name);
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}
