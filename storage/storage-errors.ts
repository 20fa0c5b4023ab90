import { S3ServiceException } from '@aws-sdk/client-s3';
import { SleapRtcError } from '../protocol/errors.ts';
import { diskFullOr } from './disk-full.ts';

/** Node's error codes for a network, or a secure connection, that does not work now. */
const UNREACHABLE =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EPROTO|EHOSTDOWN|EHOSTUNREACH|ENETDOWN|ENETUNREACH|EADDRNOTAVAIL|ERR_STREAM_PREMATURE_CLOSE|ERR_SSL_.*|ERR_TLS_.*|CERT_.*|UND_ERR_.*)$/;

/** 4xx answers that mean "not now": a timeout, a conflict with another write, throttling. */
const PASSING_STATUS: ReadonlySet<number> = new Set([408, 409, 412, 429]);
/**
 * The same by S3's own error code (AWS, "Error responses"): the client fetches new credentials or corrects its clock, sends the bytes
 * again, or begins the upload in parts again.
 */
const PASSING_NAME =
  /^(RequestTimeout|ExpiredToken|TokenRefreshRequired|RequestTimeTooSkewed|IncompleteBody|BadDigest|InvalidDigest|XAmzContent.*Mismatch|NoSuchKey|NotFound|NoSuchUpload|InvalidPart|InvalidPartOrder|OperationAborted|SlowDown|Throttl.*)$/;
/** The object is shorter than the part that was asked for. */
const RANGE_NOT_SATISFIABLE = 416;

/**
 * What a refusal by S3 means to the caller. A worker reports NOT_ALLOWED or STORAGE_REFUSED: no retry on this worker can help. A server
 * reports STORAGE_UNREACHABLE: its users can only wait until an admin has corrected its credentials.
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
 * @returns STORAGE_UNREACHABLE (retryable) if the network fails or S3 cannot answer now; NOT_ALLOWED or STORAGE_REFUSED if S3 refuses
 *   for good, unless `denied` says that this is waited for, too; INTEGRITY if an object is shorter than it should be; DISK_FULL
 *   for a local disk; anything else as it is
 */
export function storageError(error: unknown, denied: DeniedCode): unknown {
  if (error instanceof SleapRtcError || !(error instanceof Error) || error.name === 'AbortError') return error;
  const status = answeredStatus(error);
  if (status === RANGE_NOT_SATISFIABLE) {
    return new SleapRtcError('INTEGRITY', 'An object in the room’s storage is shorter than it should be.', {
      cause: error,
    });
  }
  if (denied === 'NOT_ALLOWED' && isRefusedForGood(error, status)) return refused(error, status);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const isUnreachable = UNREACHABLE.test(code) || /^(TimeoutError|CredentialsProviderError)$/.test(error.name);
  if (status !== undefined || isUnreachable) {
    return new SleapRtcError('STORAGE_UNREACHABLE', `The room’s storage (S3) cannot be reached (${error.name}).`, {
      cause: error,
    });
  }
  return diskFullOr(error);
}

/** True for a 4xx answer that the same request would get again. */
function isRefusedForGood({ name }: Error, status: number | undefined): boolean {
  if (status === undefined || status < 400 || status >= 500) return false;
  return !PASSING_STATUS.has(status) && !PASSING_NAME.test(name);
}

function refused(error: Error, status: number | undefined): SleapRtcError {
  if (status !== 401 && status !== 403) {
    return new SleapRtcError('STORAGE_REFUSED', `The room’s storage (S3) refuses the request (${error.name}).`, {
      cause: error,
    });
  }
  return new SleapRtcError('NOT_ALLOWED', `S3 refused this worker (${error.name}).`, {
    cause: error,
    remedy: 'Ask the lab’s admin to check the worker’s S3 credentials.',
  });
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

/** The status of any answer, also of one that is not S3's, such as the page of a proxy, which the client cannot read. */
function answeredStatus(error: Error): number | undefined {
  const status = statusOf(error);
  if (status !== undefined) return status;
  const { $response: response } = error as { $response?: { statusCode?: unknown } };
  // Whatever a proxy says, it is not S3 that refuses.
  return response === undefined ? undefined : 502;
}
