import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import { type ErrorCode, isErrorCode, SleapRtcError, toSleapRtcError } from '../errors.ts';

/**
 * Our errors cross Temporal as an ApplicationFailure whose type is the code, so retry policies, the Temporal UI and the API all read
 * the same code. Workflow code may import this file: it uses only `@temporalio/common`.
 */

/**
 * A session that a worker handed back is offered again after this time, whatever the back-off is: soon if the GPU was just taken,
 * seldom if the worker is too small and another one must come, or if the researcher must.
 */
const HANDED_BACK_RETRY_MS: Partial<Record<ErrorCode, number>> = {
  GPU_BUSY: 300,
  WORKER_UNFIT: 3_000,
  RESEARCHER_AWAY: 5_000,
};

/** Converts anything thrown into the failure that Temporal stores. A failure of Temporal's own is not changed. */
export function toApplicationFailure(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  const known = toSleapRtcError(error);
  const nextRetryDelay = HANDED_BACK_RETRY_MS[known.code];
  return ApplicationFailure.create({
    type: known.code,
    message: known.message,
    nonRetryable: !known.retryable,
    details: [known.remedy],
    ...(nextRetryDelay === undefined ? {} : { nextRetryDelay }),
    ...(known.cause instanceof Error ? { cause: known.cause } : {}),
  });
}

/**
 * Finds the error that a person should see in anything that Temporal throws, inside the wrappers of activities, child workflows and
 * clients. A code of ours anywhere in the chain comes first, then a cancellation, then a timeout.
 */
export function fromFailure(failure: unknown): SleapRtcError {
  const chain = causes(failure);
  for (const error of chain) {
    if (error instanceof SleapRtcError) return error;
    if (error instanceof ApplicationFailure && isErrorCode(error.type)) {
      const [remedy] = error.details ?? [];
      return new SleapRtcError(error.type, error.message, {
        cause: failure,
        ...(typeof remedy === 'string' ? { remedy } : {}),
      });
    }
  }
  if (chain.some((error) => error instanceof CancelledFailure)) {
    return new SleapRtcError('JOB_CANCELLED', 'The job was cancelled.', { cause: failure });
  }
  const terminated = chain.find((error) => error instanceof TerminatedFailure);
  if (terminated !== undefined) {
    return new SleapRtcError('JOB_CANCELLED', `The job was terminated: ${terminated.message}`, { cause: failure });
  }
  const timeout = chain.find((error) => error instanceof TimeoutFailure);
  if (timeout !== undefined) return timeoutError(timeout, failure);
  const last = chain.at(-1);
  return new SleapRtcError('INTERNAL', last instanceof Error ? last.message : String(failure), { cause: failure });
}

/** Returns true if the failure, or any cause of it, is a cancellation. */
export function isCancelled(failure: unknown): boolean {
  return causes(failure).some((error) => error instanceof CancelledFailure);
}

function timeoutError(timeout: TimeoutFailure, cause: unknown): SleapRtcError {
  if (timeout.timeoutType === 'HEARTBEAT' || timeout.timeoutType === 'SCHEDULE_TO_START') {
    return new SleapRtcError('WORKER_LOST', 'The worker stopped answering.', { cause });
  }
  return new SleapRtcError('INTERNAL', 'The job, or a step of it, took longer than it may.', { cause });
}

/** An error and its causes, outermost first. Bounded, because a foreign chain may be a ring. */
export function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let cause = error; cause !== undefined && cause !== null && chain.length < 16; ) {
    chain.push(cause);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return chain;
}

/** The three parts of an error that people see. */
export function describeError(error: SleapRtcError): { code: string; message: string; remedy: string } {
  return { code: error.code, message: error.message, remedy: error.remedy };
}
