/** How many of the last epochs the estimate is drawn from: enough to be steady, few enough to follow a change. */
const WINDOW = 8;

/** Estimates the time left from the epochs seen so far. Time in milliseconds; `now` can be given for tests. */
export class EpochClock {
  readonly #maxEpochs: number;
  readonly #now: () => number;
  readonly #durations: number[] = [];
  #began: number | undefined;

  constructor(maxEpochs: number, now: () => number = Date.now) {
    this.#maxEpochs = maxEpochs;
    this.#now = now;
  }

  /** Call when an epoch begins. */
  begin(): void {
    this.#began = this.#now();
  }

  /** Call when an epoch ends; `done` epochs have ended in all. Returns the seconds left, or null while unknown. */
  end(done: number): number | null {
    if (this.#began !== undefined) {
      this.#durations.push(this.#now() - this.#began);
      if (this.#durations.length > WINDOW) this.#durations.shift();
    }
    const sorted = this.#durations.toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    return median === undefined ? null : (Math.max(0, this.#maxEpochs - done) * median) / 1000;
  }
}
