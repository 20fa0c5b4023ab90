import pRetry from 'p-retry';
import { SleapRtcError } from '../protocol/errors.ts';

/** Time before the second attempt, in milliseconds; it doubles with each. */
const FIRST_RETRY_DELAY_MS = 500;
/** Longest time between two attempts, in milliseconds: S3 may be unavailable for hours, and work goes on soon after. */
const MAX_RETRY_DELAY_MS = 10_000;

/**
 * Repeats work while S3 is unavailable, for as long as that lasts: what is finished must not be lost because of it. The work must find
 * what an earlier attempt did.
 * @param options.onWaiting called whenever an attempt has failed, so that the researcher learns what the job waits for
 * @throws the signal's reason if it is aborted; what `work` throws, unless it is STORAGE_UNREACHABLE
 */
export function waitForStorage<T>(
  work: () => Promise<T>,
  { signal, onWaiting }: { signal: AbortSignal; onWaiting: () => void },
): Promise<T> {
  return pRetry(work, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: FIRST_RETRY_DELAY_MS,
    maxTimeout: MAX_RETRY_DELAY_MS,
    signal,
    shouldRetry: ({ error }) => error instanceof SleapRtcError && error.code === 'STORAGE_UNREACHABLE',
    onFailedAttempt: ({ error }) => {
      if (error instanceof SleapRtcError && error.code === 'STORAGE_UNREACHABLE') onWaiting();
    },
  });
}
