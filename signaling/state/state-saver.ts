import type { Logger } from 'pino';
import type { SignalingState } from '../../protocol/stored/signaling-state.ts';
import type { StateStore } from './state-store.ts';

/** Changes within this time are saved together: progress comes several times a second. */
const DEBOUNCE_MS = 2000;
/** Wait after a save that failed. */
const RETRY_MS = 10_000;

/** Saves the state some moments after each change, one save at a time. The server works also while storage is unavailable. */
export class StateSaver {
  readonly #store: StateStore;
  readonly #snapshot: () => SignalingState;
  readonly #logger: Logger;
  readonly #debounceMs: number;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();
  #changed = false;
  #stopped = false;

  constructor(options: { store: StateStore; snapshot: () => SignalingState; logger: Logger; debounceMs?: number }) {
    this.#store = options.store;
    this.#snapshot = options.snapshot;
    this.#logger = options.logger;
    this.#debounceMs = options.debounceMs ?? DEBOUNCE_MS;
  }

  /** Notes that something changed. Cheap; called often. */
  changed(): void {
    this.#changed = true;
    this.#schedule(this.#debounceMs);
  }

  #schedule(delayMs: number): void {
    if (this.#stopped || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#saving = this.#saving.then(() => this.#save());
    }, delayMs);
  }

  async #save(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    try {
      await this.#store.save(this.#snapshot());
    } catch (error) {
      this.#changed = true;
      this.#logger.warn({ event: 'state_save_failed', err: error }, 'the state could not be backed up');
      this.#schedule(RETRY_MS);
    }
  }

  /** Saves what is not saved yet and ends; later changes, such as the disconnected peers of a shutdown, are not saved. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#saving;
    await this.#save();
  }
}
