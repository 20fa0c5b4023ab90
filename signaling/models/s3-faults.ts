import { S3ServiceException } from '@aws-sdk/client-s3';
import { SleapRtcError } from '../../protocol/errors.ts';

/** True where S3 says that there is no such object. */
export function isMissing(error: unknown): boolean {
  return error instanceof S3ServiceException && error.name === 'NoSuchKey';
}

/** True where S3 answers that the object is the one that the caller has (`If-None-Match`). */
export function isNotModified(error: unknown): boolean {
  return error instanceof S3ServiceException && error.$metadata.httpStatusCode === 304;
}

/** True where a conditional write lost: 412, or 409 where another write was under way (AWS). */
export function isPreconditionFailed(error: unknown): boolean {
  return error instanceof S3ServiceException && [409, 412].includes(error.$metadata.httpStatusCode ?? 0);
}

/** Runs a storage call; what is not already one of our errors becomes STORAGE_UNREACHABLE. */
export async function reachingStorage<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof SleapRtcError) throw error;
    throw new SleapRtcError('STORAGE_UNREACHABLE', 'The S3 storage cannot be reached.', { cause: error });
  }
}
