import type { Logger } from 'pino';
import type { GpuSlot } from './gpu-slot.ts';

interface DrainOptions {
  slot: Pick<GpuSlot, 'close' | 'open' | 'whenEmpty'>;
  /** Called once the last job is done, where the worker was asked to end then. */
  onDone: () => void;
  logger: Logger;
}

/** Lets a worker finish the job that it has and take no other, so that a node can be serviced without costing anybody work. */
export class Drain implements Disposable {
  readonly #options: DrainOptions;
  #waiting: AbortController | undefined;

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  /** Takes no more jobs. @param exit whether the worker ends when the present one is done; else it stays, drained */
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

  [Symbol.dispose](): void {
    this.#waiting?.abort();
  }

  async #endWhenEmpty(): Promise<void> {
    const waiting = new AbortController();
    this.#waiting = waiting;
    try {
      await this.#options.slot.whenEmpty(waiting.signal);
    } catch {
      return; // undone, or asked for otherwise
    }
    if (!waiting.signal.aborted) this.#options.onDone();
  }
}
