import { CancelledFailure } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { causes, toApplicationFailure } from '../../protocol/temporal/failures.ts';

/**
 * Makes activities fail with what Temporal can store: a SleapRtcError (or a bug) becomes an ApplicationFailure with its code.
 * A cancellation passes unchanged, even if a library or one of our errors has wrapped it, so that the activity counts as
 * cancelled and not as failed.
 * @param explain may replace an error by a better one, for example one that says how full the disk is
 */
export function convertErrors(
  explain: (error: unknown) => unknown = (error) => error,
): ActivityInboundCallsInterceptor {
  return {
    async execute(input, next) {
      try {
        return await next(input);
      } catch (error) {
        throw cancellationIn(error) ?? toApplicationFailure(await explain(error));
      }
    },
  };
}

function cancellationIn(error: unknown): Error | undefined {
  const chain = causes(error);
  // The SDK counts an AbortError as a cancellation only if the activity was cancelled.
  return (
    chain.find((cause) => cause instanceof CancelledFailure) ??
    (error instanceof Error && error.name === 'AbortError' ? error : undefined)
  );
}
