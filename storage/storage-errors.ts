import { S3ServiceException } from '@aws-sdk/client-s3';
import { SleapRtcError } from '../protocol/errors.ts';
import { diskFullOr } from './disk-full.ts';

/** Codes of the network, as Node has them, that mean: not reachable now. */
const UNREACHABLE =
  /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|UND_ERR_.*)$/;

/** True for the answers with which S3 refuses a conditional write: 412, and 409 where two of them met (AWS, S3 API docs). */
export function isConflict(error: unknown): boolean {
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  return status === 412 || status === 409;
}

/** True for the answer to a write on condition of what is there, where nothing is. */
export function isAbsent(error: unknown): boolean {
  return error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404;
}

/**
 * Runs something that talks to S3; what goes wrong there becomes an error with a code of ours. Aborts pass unchanged.
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable) for the network and 5xx, NOT_ALLOWED for refused keys
 */
export async function withStorageErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(error);
  }
}

function storageError(error: unknown): unknown {
  if (error instanceof SleapRtcError || !(error instanceof Error) || error.name === 'AbortError') return error;
  const status = error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? 0) : 0;
  if (status === 401 || status === 403) {
    return new SleapRtcError('NOT_ALLOWED', `S3 refused this worker (${error.name}).`, {
      cause: error,
      remedy: 'Ask the lab’s admin to check the worker’s S3 credentials.',
    });
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (status >= 500 || status === 429 || UNREACHABLE.test(code) || error.name === 'TimeoutError') {
    return new SleapRtcError('STORAGE_UNREACHABLE', `S3 did not do its part (${error.name}).`, { cause: error });
  }
  return diskFullOr(error);
}
