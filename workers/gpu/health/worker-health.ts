import type { Logger } from 'pino';
import type { ErrorCode } from '../../../protocol/errors.ts';
import { fromFailure, isCancelled } from '../../../protocol/temporal/failures.ts';
import type { EndedActivity } from '../../interceptors/index.ts';
import type { GpuSlot } from '../slot/gpu-slot.ts';

/**
 * Failures that another worker would probably not have, and after how many jobs in a row that fail so the worker examines itself.
 * Failures that every worker would have are not among them.
 */
const SUSPECTED_AFTER: Partial<Record<ErrorCode, number>> = {
  DISK_FULL: 2,
  TRAINER_KILLED: 2,
  INTERNAL: 2,
  GPU_BROKEN: 1,
};
/** Activities whose success proves that the worker can do its work. */
const PROOFS = new Set(['train', 'predict']);
/** Time between self-checks of a worker that takes no jobs, in milliseconds. */
const RECHECK_MS = 5 * 60_000;

interface WorkerHealthOptions {
  slot: Pick<GpuSlot, 'close' | 'open' | 'whenEmpty'>;
  /** Checks whether the worker could do jobs, without regard to any job. @returns why not, as a sentence */
  selfCheck: () => Promise<string | undefined>;
  logger: Logger;
  /** Time between self-checks, in milliseconds. Default: five minutes. */
  recheckMs?: number;
}

/**
 * Notices that the worker itself makes jobs fail. A job's error alone is no proof, since a job can cause any error or forge it: the
 * worker examines itself, once the job has left it. Only if its self-check finds a problem does it take no more jobs, so that a broken
 * disk or driver does not fail the room's whole queue, and reports the problem to the room. It takes jobs again when its self-check
 * finds none.
 */
export class WorkerHealth {
  readonly #options: WorkerHealthOptions;
  readonly #failed = new Map<string, string>();
  readonly #closed = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** True from a suspicion until its self-check has ended. */
  #isExamining = false;

  constructor(options: WorkerHealthOptions) {
    this.#options = options;
  }

  /** Suspects the worker by how an activity ended. */
  readonly onEnded = ({ activity, jobId, error }: EndedActivity): void => {
    if (error === undefined) {
      if (PROOFS.has(activity)) this.#failed.clear();
      return;
    }
    if (jobId === undefined || isCancelled(error)) return;
    const { code, message } = fromFailure(error);
    const after = SUSPECTED_AFTER[code];
    if (after === undefined) return;
    this.#failed.set(jobId, `${message} [${code}]`);
    if (this.#failed.size >= after) void this.#examine();
  };

  close(): void {
    this.#closed.abort();
    clearTimeout(this.#timer);
  }

  async #examine(): Promise<void> {
    if (this.#isExamining || this.#timer !== undefined) return;
    this.#isExamining = true;
    const { slot, logger } = this.#options;
    try {
      // What the job has on the disk and the GPU is gone then.
      await slot.whenEmpty(this.#closed.signal);
      const jobs = [...this.#failed.keys()];
      const last = [...this.#failed.values()].at(-1);
      this.#failed.clear();
      const wrong = await this.#selfCheck();
      if (this.#closed.signal.aborted) return;
      if (wrong === undefined) {
        logger.info({ event: 'suspected_and_healthy', jobs, last });
        return;
      }
      logger.error({ event: 'unhealthy', jobs, last }, wrong);
      slot.close('unhealthy', wrong);
      this.#checkLater();
    } catch (error) {
      if (!this.#closed.signal.aborted) throw error;
    } finally {
      this.#isExamining = false;
    }
  }

  #checkLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#checkAgain(), this.#options.recheckMs ?? RECHECK_MS);
    this.#timer.unref();
  }

  async #checkAgain(): Promise<void> {
    const { slot, logger } = this.#options;
    const wrong = await this.#selfCheck();
    if (wrong === undefined) {
      this.#timer = undefined;
      logger.info({ event: 'healthy_again' });
      slot.open('unhealthy');
    } else {
      logger.warn({ event: 'still_unhealthy' }, wrong);
      slot.close('unhealthy', wrong);
      this.#checkLater();
    }
  }

  #selfCheck(): Promise<string | undefined> {
    return this.#options.selfCheck().catch((error: unknown) => String(error));
  }
}
