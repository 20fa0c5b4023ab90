/** What is seen of a channel since the last look. */
export interface StripeReading {
  movedBytes: number;
  tolerant: boolean;
  /** Looks since it came. */
  age: number;
}

/** What is seen of a transfer since the last look. */
export interface TransferReading {
  /** Time since then, in s. */
  seconds: number;
  stripes: readonly StripeReading[];
  /** What is still to move, in bytes. */
  leftBytes: number;
  /** CPU time of this process by that time: 1 for a whole core. */
  cpuShare: number;
}

/** What to do: add a channel, or end the one of that place in the list. */
export type StripeStep = { add: { tolerant: boolean } } | { drop: number } | undefined;

/** A further channel has to bring so much more, or it is given up. */
const GAIN = 1.15;
/** Looks until a channel has found its rate. */
const LOOKS_TO_SETTLE = 3;
/** A channel below this share of the fastest one only holds the end up. */
const SLOW_SHARE = 0.2;
/** Time for which a further channel must be of use, in s. */
const WORTHWHILE_S = 4;
/** Where this process uses more of a core, connections do not limit it. */
const BUSY_CPU_SHARE = 0.6;

/**
 * Decides how many channels a transfer uses: one, until it is seen that it neither uses the CPU up nor ends soon; then one more
 * at a time, as long as each makes the whole faster. The second is on the stack that bears loss, the others on what was best.
 */
export class StripePlanner {
  readonly #most: number;
  #looks = 0;
  #before: number | undefined;
  #sinceAdded = 0;
  #isSettled = false;

  constructor(most: number) {
    this.#most = most;
  }

  next({ seconds, stripes, leftBytes, cpuShare }: TransferReading): StripeStep {
    const rate = stripes.reduce((sum, { movedBytes }) => sum + movedBytes, 0) / seconds;
    if (this.#looks === 0 && rate === 0) return undefined;
    this.#looks += 1;
    if (this.#before !== undefined) {
      this.#sinceAdded += 1;
      if (this.#sinceAdded < LOOKS_TO_SETTLE) return undefined;
      const paid = rate >= this.#before * GAIN;
      this.#before = undefined;
      if (!paid) {
        this.#isSettled = true;
        if (stripes.length > 1) return { drop: stripes.length - 1 };
      }
    }
    const best = Math.max(...stripes.map(({ movedBytes }) => movedBytes));
    const slow = stripes.findIndex(({ movedBytes, age }) => age >= LOOKS_TO_SETTLE && movedBytes < best * SLOW_SHARE);
    if (slow >= 0) return { drop: slow };
    if (this.#isSettled || this.#looks < LOOKS_TO_SETTLE || stripes.length >= this.#most) return undefined;
    if (cpuShare > BUSY_CPU_SHARE || leftBytes < rate * WORTHWHILE_S) return undefined;
    this.#before = rate;
    this.#sinceAdded = 0;
    const fastest = stripes.find(({ movedBytes }) => movedBytes === best);
    return { add: { tolerant: stripes.length === 1 || fastest?.tolerant === true } };
  }

  /** No further channel came about, so none is to be expected. */
  failed(): void {
    this.#before = undefined;
    this.#isSettled = true;
  }
}
