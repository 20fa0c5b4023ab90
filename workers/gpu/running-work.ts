import { EventEmitter, once } from 'node:events';
import { z } from 'zod';

/** How an activity ended, for who keeps watch over the worker. */
export interface EndedWork {
  activity: string;
  jobId: string | undefined;
  /** Undefined where it succeeded. */
  error: unknown;
}

const WithJob = z.object({ input: z.object({ spec: z.object({ job_id: z.string() }) }) });

/**
 * The activities that run on this worker for the job that holds it: counted, so that a session is handed over only when all of
 * them have stopped, and watched, since it is seen here when the worker itself is what makes jobs fail.
 */
export class RunningActivities {
  readonly #changes = new EventEmitter();
  readonly #onEnded: (work: EndedWork) => void;
  #running = 0;

  constructor(onEnded: (work: EndedWork) => void) {
    this.#onEnded = onEnded;
  }

  /** The same activities, counted and watched. */
  track<T extends object>(activities: T): T {
    const entries: [string, (args: unknown) => Promise<unknown>][] = Object.entries(activities);
    const tracked = entries.map(([activity, run]) => [activity, (args: unknown) => this.#run(activity, run, args)]);
    return Object.fromEntries(tracked) as T;
  }

  /** Resolves when none runs. @throws the signal's reason when aborted first */
  async whenQuiet(signal: AbortSignal): Promise<void> {
    while (this.#running > 0) await once(this.#changes, 'ended', { signal });
  }

  async #run(activity: string, run: (args: unknown) => Promise<unknown>, args: unknown): Promise<unknown> {
    this.#running += 1;
    let error: unknown;
    try {
      return await run(args);
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      this.#running -= 1;
      this.#changes.emit('ended');
      this.#onEnded({ activity, jobId: WithJob.safeParse(args).data?.input.spec.job_id, error });
    }
  }
}
