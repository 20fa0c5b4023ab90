import type { Logger } from 'pino';

/** What a process has to close at its end, the newest first. */
export class Cleanup {
  readonly #closers: (() => unknown)[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** Closes everything. An error is logged only: what the worker failed with before is what counts. */
  async run(): Promise<void> {
    for (const close of this.#closers.reverse()) {
      try {
        await close();
      } catch (err) {
        this.#logger.warn({ event: 'not_closed', err });
      }
    }
  }
}
