import { asyncLocalStorage, Context } from '@temporalio/activity';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { isOrphaned, ORPHAN_GRACE_MS } from '../../activities/orphaned.ts';

/** Work in progress, whichever attempt of its activity began it. */
interface Work {
  result: Promise<unknown>;
  cancel: (reason: unknown, details: ActivityCancellationDetails | undefined) => void;
  /** The attempt that waits for the work now; undefined if Temporal has given up the last one. */
  attempt: Context | undefined;
  lastHeartbeat: unknown;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Lets the work of an activity outlive its attempts. While Temporal's server is unavailable no heartbeat reaches it. When it is
 * back, it counts the attempt as lost and schedules a second one. The second attempt takes the running work over, so that nothing
 * is done twice. Work that no attempt takes over in time is cancelled.
 */
export class OrphanTakeover implements ActivityInboundCallsInterceptor {
  readonly #inProgress = new Map<string, Work>();
  readonly #graceMs: number;

  /** @param graceMs how long orphaned work waits for its next attempt, in milliseconds */
  constructor({ graceMs = ORPHAN_GRACE_MS }: { graceMs?: number } = {}) {
    this.#graceMs = graceMs;
  }

  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    const attempt = Context.current();
    const { workflowExecution, activityId } = attempt.info;
    const key = `${workflowExecution?.runId}/${activityId}`;
    let work = this.#inProgress.get(key);
    if (work === undefined) {
      work = begin(attempt, () => next(input));
      this.#inProgress.set(key, work);
      work.result.catch(() => undefined).finally(() => this.#inProgress.delete(key));
    } else {
      clearTimeout(work.timer);
      work.attempt = attempt;
      attempt.heartbeat(work.lastHeartbeat);
    }
    return Promise.race([work.result, this.#untilOrphaned(work, attempt)]);
  }

  /** Cancels orphaned work, since the job has ended on this worker. Resolves when the work has stopped. */
  async cancelOrphaned(): Promise<void> {
    const orphaned = [...this.#inProgress.values()].filter(({ attempt }) => attempt === undefined);
    for (const work of orphaned) work.cancel(new CancelledFailure('The session has ended.'), undefined);
    await Promise.allSettled(orphaned.map(({ result }) => result));
  }

  /** Rejects when Temporal has given the attempt up; its work goes on. A true cancellation is passed to the work instead. */
  async #untilOrphaned(work: Work, attempt: Context): Promise<never> {
    try {
      return await attempt.cancelled;
    } catch (reason) {
      if (!isOrphaned(attempt)) {
        if (work.attempt === attempt) work.cancel(reason, attempt.cancellationDetails);
        return new Promise<never>(() => {});
      }
      // The next attempt may have come before this one learned that it was given up.
      if (work.attempt === attempt) {
        work.attempt = undefined;
        work.timer = setTimeout(() => work.cancel(reason, attempt.cancellationDetails), this.#graceMs);
        work.timer.unref();
      }
      throw reason;
    }
  }
}

/** Begins work in a context of its own, whose heartbeats are those of the attempt that waits for it. */
function begin(attempt: Context, run: () => Promise<unknown>): Work {
  const controller = new AbortController();
  const cancelled = Promise.withResolvers<never>();
  cancelled.promise.catch(() => undefined);
  const details: { details?: ActivityCancellationDetails } = {};
  const heartbeat = (beat: unknown) => {
    work.lastHeartbeat = beat;
    work.attempt?.heartbeat(beat);
  };
  const context = new Context(
    attempt.info,
    cancelled.promise,
    controller.signal,
    heartbeat,
    undefined,
    attempt.log,
    attempt.metricMeter,
    details,
  );
  const work: Work = {
    result: Promise.resolve(),
    cancel(reason, why) {
      clearTimeout(work.timer);
      details.details = why ?? new ActivityCancellationDetails();
      const failure = reason instanceof Error ? reason : new CancelledFailure('cancelled');
      cancelled.reject(failure);
      controller.abort(failure);
    },
    attempt,
    lastHeartbeat: undefined,
    timer: undefined,
  };
  work.result = asyncLocalStorage.run(context, run);
  return work;
}
