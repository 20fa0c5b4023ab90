import { CancelledFailure } from '@temporalio/common';
import { causes, toApplicationFailure } from '../protocol/failures.ts';

/**
 * Makes activities throw what Temporal can store: a SleapRtcError (or a bug) becomes an ApplicationFailure with its code.
 * A cancellation passes as it is, so that the activity counts as cancelled and not as failed, also where a library or one
 * of our errors has wrapped it.
 * @param explain may put a better error in the place of one, e.g. one that says how full the disk is
 */
export function wrapActivities<T extends object>(
  activities: T,
  explain: (error: unknown) => unknown = (error) => error,
): T {
  const entries: [string, (...args: unknown[]) => Promise<unknown>][] = Object.entries(activities);
  const wrapped = entries.map(([name, activity]) => [
    name,
    async (...args: unknown[]) => {
      try {
        return await activity(...args);
      } catch (error) {
        throw cancellationIn(error) ?? toApplicationFailure(await explain(error));
      }
    },
  ]);
  return Object.fromEntries(wrapped) as T;
}

function cancellationIn(error: unknown): Error | undefined {
  const chain = causes(error);
  // An AbortError counts for the SDK as a cancellation only if the activity was told to stop.
  return (
    chain.find((cause) => cause instanceof CancelledFailure) ??
    (error instanceof Error && error.name === 'AbortError' ? error : undefined)
  );
}
