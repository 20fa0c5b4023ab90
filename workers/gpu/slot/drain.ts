import type { Logger } from 'pino';
import type { GpuSlot } from './gpu-slot.ts';

interface DrainOptions {
  slot: Pick<GpuSlot, 'close' | 'open' | 'whenEmpty'>;
  /** Called once the last job is done, if the worker was asked to end then. */
  onDone: () => void;
  logger: Logger;
}

/** Lets a worker finish its job and take no other, so that its machine can be serviced and nobody loses work. */
export class Drain {
  readonly #options: DrainOptions;
  #waiting: AbortController | undefined;

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  /** Takes no more jobs. @param exit whether the worker ends after its present job; if not, it stays, drained */
  start(exit: boolean): void {
    const { slot, logger } = this.#options;
    logger.info({ event: 'draining', exit });
    this.#waiting?.abort();
    this.#waiting = undefined;
    slot.close('draining', exit ? 'drained by an admin; ends after its job' : 'drained by an admin');
    if (exit) void this.#endWhenEmpty();
  }

  /** Takes jobs again. */
  undo(): void {
    this.#options.logger.info({ event: 'drain_undone' });
    this.#waiting?.abort();
    this.#waiting = undefined;
    this.#options.slot.open('draining');
  }

  close(): void {
    this.#waiting?.abort();
  }

  async #endWhenEmpty(): Promise<void> {
    const waiting = new AbortController();
    this.#waiting = waiting;
    try {
      await this.#options.slot.whenEmpty(waiting.signal);
    } catch {
      return; // undone, or started again
    }
    if (!waiting.signal.aborted) this.#options.onDone();
  }
}
