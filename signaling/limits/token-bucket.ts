/** A token bucket: allows a burst, then a number a second. Counts messages or bytes. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  /** @param options `burst` most at once; `perSecond` refill; `now` a clock in milliseconds */
  constructor(options: { burst: number; perSecond: number; now?: () => number }) {
    this.#burst = options.burst;
    this.#perSecond = options.perSecond;
    this.#now = options.now ?? (() => performance.now());
    this.#tokens = options.burst;
    this.#filledAt = this.#now();
  }

  /** Takes `amount` and returns true, or takes nothing and returns false if there is not enough. */
  take(amount: number): boolean {
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
    if (amount > this.#tokens) return false;
    this.#tokens -= amount;
    return true;
  }
}
