import type { Logger } from 'pino';
import type { ErrorCode } from '../../../protocol/errors.ts';
import { fromFailure, isCancelled } from '../../../protocol/temporal/failures.ts';
import type { EndedActivity } from '../../interceptors/index.ts';
import type { GpuSlot } from '../slot/gpu-slot.ts';

/**
 * Failures that another worker would probably not have. One is enough if a retry here cannot help (`certain`). Failures that every
 * worker would have are not among them: one outage of S3, the signaling server or a researcher's network would take all workers
 * out of service.
 */
const OWN_FAULTS: Partial<Record<ErrorCode, 'suspect' | 'certain'>> = {
  DISK_FULL: 'suspect',
  TRAINER_KILLED: 'suspect',
  INTERNAL: 'suspect',
  GPU_BROKEN: 'certain',
};
/** When so many jobs in a row have failed, the worker is suspected. */
const SUSPECT_JOBS = 2;
/** Activities whose success proves that the worker can do its work. */
const PROOFS = new Set(['train', 'predict']);
/** Time between self-checks of a worker that takes no jobs, in milliseconds. */
const RECHECK_MS = 5 * 60_000;

interface WorkerHealthOptions {
  slot: Pick<GpuSlot, 'close' | 'open'>;
  /** Checks whether the worker could work again. @returns why not, as a sentence */
  selfCheck: () => Promise<string | undefined>;
  logger: Logger;
  /** Time between self-checks, in milliseconds. Default: five minutes. */
  recheckMs?: number;
}

/**
 * Notices that the worker itself makes jobs fail. After two different jobs in a row the worker takes no more, so that a broken disk
 * or driver does not fail the room's whole queue, and reports the reason to the room. It takes jobs again when its self-check
 * finds no problem.
 */
export class WorkerHealth {
  readonly #options: WorkerHealthOptions;
  readonly #failed = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WorkerHealthOptions) {
    this.#options = options;
  }

  /** Judges the worker by how an activity ended. */
  readonly onEnded = ({ activity, jobId, error }: EndedActivity): void => {
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

  close(): void {
    clearTimeout(this.#timer);
  }

  #close(): void {
    const jobs = [...this.#failed.keys()];
    const last = [...this.#failed.values()].at(-1);
    const reason = `${jobs.length === 1 ? 'A job' : `${jobs.length} jobs in a row`} failed because of this worker; the last error: ${last}`;
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
