import { EventEmitter, once } from 'node:events';
import { Context } from '@temporalio/activity';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { z } from 'zod';

/** How an activity ended, for the part that watches the worker's health. */
export interface EndedActivity {
  activity: string;
  jobId: string | undefined;
  /** Undefined if it succeeded. */
  error: unknown;
}

const WithJob = z.object({ input: z.object({ spec: z.object({ job_id: z.string() }) }) });

/**
 * Tracks the activities that run on this worker for the job whose session it has. They are counted, so that a session is handed
 * over only when all of them have stopped; and watched, because their failures show that the worker itself is at fault.
 */
export class RunningActivities implements ActivityInboundCallsInterceptor {
  readonly #changes = new EventEmitter();
  readonly #onEnded: (ended: EndedActivity) => void;
  #running = 0;

  constructor(onEnded: (ended: EndedActivity) => void) {
    this.#onEnded = onEnded;
  }

  async execute(input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>): Promise<unknown> {
    const { activityType } = Context.current().info;
    this.#running += 1;
    let error: unknown;
    try {
      return await next(input);
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      this.#running -= 1;
      this.#changes.emit('ended');
      const jobId = WithJob.safeParse(input.args[0]).data?.input.spec.job_id;
      this.#onEnded({ activity: activityType, jobId, error });
    }
  }

  /** Resolves when none runs. @throws the signal's reason if it is aborted first */
  async whenQuiet(signal: AbortSignal): Promise<void> {
    while (this.#running > 0) await once(this.#changes, 'ended', { signal });
  }
}
