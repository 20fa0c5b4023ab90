import { Context } from '@temporalio/activity';

/** Well within the workflow's heartbeat timeout, in milliseconds. */
const HEARTBEAT_MS = 1_000;

/**
 * Runs an activity's work with a heartbeat a second; `details` says how far it is.
 * The work gets the activity's cancellation signal, which is aborted when the job is cancelled or the worker shuts down.
 */
export async function withHeartbeats<T>(
  work: (signal: AbortSignal) => Promise<T>,
  details?: () => unknown,
): Promise<T> {
  const context = Context.current();
  const timer = setInterval(() => context.heartbeat(details?.()), HEARTBEAT_MS);
  try {
    return await work(context.cancellationSignal);
  } catch (error) {
    if (context.cancellationSignal.aborted) await context.cancelled; // whatever the abort looked like from below
    throw error;
  } finally {
    clearInterval(timer);
  }
}
