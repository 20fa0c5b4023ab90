/** What a channel has done since the last look. */
export interface StripeReading {
  movedBytes: number;
  /** Looks since the channel was added. */
  age: number;
}

/** What a transfer has done since the last look. */
export interface TransferReading {
  /** Time since the last look, in s. */
  seconds: number;
  stripes: readonly StripeReading[];
  leftBytes: number;
  /** CPU time that this process used in that time: 1 for a whole core. */
  cpuShare: number;
}

/** What to do: add a channel, or close the one at that index of the list. */
export type StripeStep = 'add' | { drop: number } | undefined;

/** A further channel is closed unless it raises the rate by this factor. */
const GAIN = 1.15;
/** Looks until a channel has found its rate. */
const LOOKS_TO_SETTLE = 3;
/** A channel that is slower than this share of the fastest one only delays the end. */
const SLOW_SHARE = 0.2;
/** How long a further channel must be of use, in s. */
const WORTHWHILE_S = 4;
/** If this process uses more of a core, connections are not what limits it. */
const BUSY_CPU_SHARE = 0.6;

/**
 * Decides how many channels a transfer uses. It begins with one. If neither the CPU nor the size is the limit, it adds one at a
 * time, as long as each makes the whole transfer faster.
 */
export class StripePlanner {
  readonly #most: number;
  #looks = 0;
  #rateBefore: number | undefined;
  #looksSinceAdded = 0;
  #isSettled = false;

  constructor(most: number) {
    this.#most = most;
  }

  next({ seconds, stripes, leftBytes, cpuShare }: TransferReading): StripeStep {
    const rate = stripes.reduce((sum, { movedBytes }) => sum + movedBytes, 0) / seconds;
    if (this.#looks === 0 && rate === 0) return undefined;
    this.#looks += 1;
    if (this.#rateBefore !== undefined) {
      this.#looksSinceAdded += 1;
      if (this.#looksSinceAdded < LOOKS_TO_SETTLE) return undefined;
      const isFaster = rate >= this.#rateBefore * GAIN;
      this.#rateBefore = undefined;
      if (!isFaster) {
        this.#isSettled = true;
        if (stripes.length > 1) return { drop: stripes.length - 1 };
      }
    }
    const best = Math.max(...stripes.map(({ movedBytes }) => movedBytes));
    const slow = stripes.findIndex(({ movedBytes, age }) => age >= LOOKS_TO_SETTLE && movedBytes < best * SLOW_SHARE);
    if (slow >= 0) return { drop: slow };
    if (this.#isSettled || this.#looks < LOOKS_TO_SETTLE || stripes.length >= this.#most) return undefined;
    if (cpuShare > BUSY_CPU_SHARE || leftBytes < rate * WORTHWHILE_S) return undefined;
    this.#rateBefore = rate;
    this.#looksSinceAdded = 0;
    return 'add';
  }

  /** No further channel could be opened, so none is tried again. */
  failed(): void {
    this.#rateBefore = undefined;
    this.#isSettled = true;
  }
}
