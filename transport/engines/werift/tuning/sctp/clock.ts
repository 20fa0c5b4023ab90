/** A source of time, which tests replace. */
export interface Clock {
  nowMs(): number;
  /** Calls `task` after `ms`, unless the returned function is called before. */
  after(ms: number, task: () => void): () => void;
}

/** Node's clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (ms, task) => {
    if (ms <= 0) {
      const immediate = setImmediate(task);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * A timer that is postponed more often than it rings. To postpone it is cheap: the underlying timer stays, and starts again if it
 * fires too early.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #cancel: (() => void) | undefined;
  #atMs = Number.POSITIVE_INFINITY;
  #timerAtMs = 0;

  /** @param ring called at the time that was set, or shortly after */
  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  get isSet(): boolean {
    return this.#atMs !== Number.POSITIVE_INFINITY;
  }

  /** @param atMs infinity for never */
  set(atMs: number, nowMs: number): void {
    this.#atMs = atMs;
    if (!this.isSet || (this.#cancel !== undefined && this.#timerAtMs <= atMs)) return;
    this.#cancel?.();
    this.#startTimer(nowMs);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#atMs = Number.POSITIVE_INFINITY;
  }

  #startTimer(nowMs: number): void {
    this.#timerAtMs = this.#atMs;
    this.#cancel = this.#clock.after(Math.max(this.#atMs - nowMs, 1), () => {
      this.#cancel = undefined;
      if (!this.isSet) return;
      const laterMs = this.#clock.nowMs();
      if (laterMs < this.#atMs) {
        this.#startTimer(laterMs);
        return;
      }
      this.#atMs = Number.POSITIVE_INFINITY;
      this.#ring();
    });
  }
}
