import { isGrpcServiceError } from '@temporalio/client';
import pRetry from 'p-retry';
import { SleapRtcError } from '../../protocol/errors.ts';

/** gRPC's INVALID_ARGUMENT, with which Temporal refuses an attribute that it does not know. */
const INVALID_ARGUMENT = 3;
/**
 * How long a new Temporal server may lack the search attributes, in milliseconds. The control worker registers them when it
 * starts; Temporal then needs some seconds to use them. Less than the CLI waits for an answer.
 */
const PREPARED_TIMEOUT_MS = 15_000;
const RETRY_MS = 500;

/**
 * Starts a job; if Temporal does not know the search attributes of jobs yet, tries again until the control worker has
 * registered them.
 * @throws SleapRtcError TEMPORAL_UNREACHABLE if it does not in time; what `start` throws
 */
export async function untilPrepared<T>(start: () => Promise<T>, timeoutMs = PREPARED_TIMEOUT_MS): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  try {
    return await pRetry(start, {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: RETRY_MS,
      factor: 1,
      shouldRetry: ({ error }) => lacksSearchAttributes(error) && performance.now() < deadlineMs,
    });
  } catch (error) {
    if (!lacksSearchAttributes(error)) throw error;
    throw new SleapRtcError('TEMPORAL_UNREACHABLE', 'Temporal is not prepared for jobs yet.', {
      cause: error,
      remedy: 'Try again in a minute. If it does not help, ask the lab’s admin whether the control worker runs.',
    });
  }
}

function lacksSearchAttributes(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return [error, cause].some(
    (fault) =>
      isGrpcServiceError(fault) && fault.code === INVALID_ARGUMENT && /search attribute/i.test(fault.details ?? ''),
  );
}
