import type { Logger } from 'pino';
import type { ErrorCode } from '../../../protocol/errors.ts';
import { fromFailure, isCancelled } from '../../../protocol/failures.ts';
import type { EndedActivity } from '../../interceptors/index.ts';
import type { GpuSlot } from '../slot/gpu-slot.ts';

/**
 * Failures that another worker would hardly have. Of those after which a retry here is no use, one is enough. What fails on every worker
 * alike is not among them, or one outage of S3, the signaling server or a researcher's network would take all workers out of service.
 */
const OWN_FAULTS: Partial<Record<ErrorCode, 'suspect' | 'certain'>> = {
  DISK_FULL: 'suspect',
  TRAINER_KILLED: 'suspect',
  INTERNAL: 'suspect',
  GPU_BROKEN: 'certain',
};
/** Jobs that may fail in a row before the worker is taken to be the reason. */
const SUSPECT_JOBS = 2;
/** What proves that the worker can do its work. */
const PROOFS = new Set(['train', 'predict']);
/** Time between self-checks of a worker that takes no jobs, in ms. */
const RECHECK_MS = 5 * 60_000;

interface WorkerHealthOptions {
  slot: Pick<GpuSlot, 'close' | 'open'>;
  /** Looks whether the worker could work again. @returns why not, as a sentence */
  selfCheck: () => Promise<string | undefined>;
  logger: Logger;
  /** Time between self-checks, in ms. Default: five minutes. */
  recheckMs?: number;
}

/**
 * Notices when the worker itself is what makes jobs fail. After two different jobs in a row it takes no more, so that a broken
 * disk or driver does not eat the room's whole queue, and says why; it comes back when its self-check finds nothing wrong.
 */
export class WorkerHealth implements Disposable {
  readonly #options: WorkerHealthOptions;
  readonly #failed = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WorkerHealthOptions) {
    this.#options = options;
  }

  /** Takes note of how an activity ended. */
  readonly noticed = ({ activity, jobId, error }: EndedActivity): void => {
    if (error === undefined) {
      if (PROOFS.has(activity)) this.#failed.clear();
      return;
    }
    if (jobId === undefined || isCancelled(error)) return;
    const { code, message } = fromFailure(error);
    const fault = OWN_FAULTS[code];
    if (fault === undefined) return;
    this.#failed.set(jobId, `${message} [${code}]`);
    if (fault === 'certain' || this.#failed.size >= SUSPECT_JOBS) this.#close();
  };

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #close(): void {
    const jobs = [...this.#failed.keys()];
    const last = [...this.#failed.values()].at(-1);
    const reason = `${jobs.length === 1 ? 'A job' : `${jobs.length} jobs in a row`} failed here for the worker’s own reasons, at last: ${last}`;
    this.#options.logger.error({ event: 'unhealthy', jobs }, reason);
    this.#options.slot.close('unhealthy', reason);
    this.#checkLater();
  }

  #checkLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#check(), this.#options.recheckMs ?? RECHECK_MS);
    this.#timer.unref();
  }

  async #check(): Promise<void> {
    const { slot, selfCheck, logger } = this.#options;
    const wrong = await selfCheck().catch((error: unknown) => String(error));
    if (wrong === undefined) {
      this.#failed.clear();
      logger.info({ event: 'healthy_again' });
      slot.open('unhealthy');
    } else {
      logger.warn({ event: 'still_unhealthy' }, wrong);
      slot.close('unhealthy', wrong);
      this.#checkLater();
    }
  }
}
