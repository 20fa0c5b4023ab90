import { asyncLocalStorage, Context } from '@temporalio/activity';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import { isOrphaned, ORPHAN_GRACE_MS } from '../../activities/orphaned.ts';

/** Work under way, whichever attempt of its activity it was begun by. */
interface Work {
  result: Promise<unknown>;
  cancel: (reason: unknown, details: ActivityCancellationDetails | undefined) => void;
  /** The attempt that stands for it now; undefined after Temporal has forgotten the last one. */
  attempt: Context | undefined;
  lastHeartbeat: unknown;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Lets the work of an activity outlive its attempts. While Temporal's server is away no heartbeat reaches it; back again, it
 * counts what ran meanwhile as lost and asks for a second attempt. Here that attempt takes over what is still going on, so
 * that nothing is done twice. Work that no attempt asks for in time is cancelled.
 */
export class ContinuedWork {
  readonly #underWay = new Map<string, Work>();
  readonly #keepMs: number;

  constructor({ keepMs = ORPHAN_GRACE_MS }: { keepMs?: number } = {}) {
    this.#keepMs = keepMs;
  }

  /** The same activities; each goes on where an earlier attempt of it has been forgotten. */
  wrap<T extends object>(activities: T): T {
    const entries: [string, (args: unknown) => Promise<unknown>][] = Object.entries(activities);
    return Object.fromEntries(entries.map(([name, run]) => [name, (args: unknown) => this.#run(run, args)])) as T;
  }

  /** Cancels what no attempt stands for: the job has ended on this worker. Resolves when it has stopped. */
  async cancelOrphaned(): Promise<void> {
    const forgotten = [...this.#underWay.values()].filter(({ attempt }) => attempt === undefined);
    for (const work of forgotten) work.cancel(new CancelledFailure('The session has ended.'), undefined);
    await Promise.allSettled(forgotten.map(({ result }) => result));
  }

  async #run(run: (args: unknown) => Promise<unknown>, args: unknown): Promise<unknown> {
    const attempt = Context.current();
    const { workflowExecution, activityId } = attempt.info;
    const key = `${workflowExecution?.runId}/${activityId}`;
    let work = this.#underWay.get(key);
    if (work === undefined) {
      work = begin(attempt, run, args);
      this.#underWay.set(key, work);
      work.result.catch(() => undefined).finally(() => this.#underWay.delete(key));
    } else {
      clearTimeout(work.timer);
      work.attempt = attempt;
      attempt.heartbeat(work.lastHeartbeat);
    }
    return Promise.race([work.result, this.#whileStandingFor(work, attempt)]);
  }

  /** Rejects when the attempt has been forgotten, its work going on; a true cancellation is the work's to answer. */
  async #whileStandingFor(work: Work, attempt: Context): Promise<never> {
    try {
      return await attempt.cancelled;
    } catch (reason) {
      if (!isOrphaned(attempt)) {
        if (work.attempt === attempt) work.cancel(reason, attempt.cancellationDetails);
        return new Promise<never>(() => {});
      }
      // The next attempt may have come before this one learned of it.
      if (work.attempt === attempt) {
        work.attempt = undefined;
        work.timer = setTimeout(() => work.cancel(reason, attempt.cancellationDetails), this.#keepMs);
        work.timer.unref();
      }
      throw reason;
    }
  }
}

/** Begins work in a context of its own, whose heartbeats are those of the attempt that stands for it. */
function begin(attempt: Context, run: (args: unknown) => Promise<unknown>, args: unknown): Work {
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
      cancelled.reject(reason instanceof Error ? reason : new CancelledFailure('cancelled'));
      controller.abort(reason);
    },
    attempt,
    lastHeartbeat: undefined,
    timer: undefined,
  };
  work.result = asyncLocalStorage.run(context, () => run(args));
  return work;
}
