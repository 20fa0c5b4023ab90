/** RFC 9260, 6.3.1, says 1 s. Since a probe is sent first, TCP's usual 200 ms is enough (RFC 8985). */
const MIN_RTO_MS = 200;
const MAX_RTO_MS = 10_000;
const INITIAL_RTO_MS = 500;

/** Measurements of the time between sending and acknowledgement, in ms (RFC 9260, 6.3.1). */
export class RoundTripTime {
  lastMs = 0;
  /** Undefined before the first measurement. */
  smoothedMs: number | undefined;
  #varianceMs = 0;

  learn(measuredMs: number): void {
    this.lastMs = measuredMs;
    if (this.smoothedMs === undefined) {
      this.smoothedMs = measuredMs;
      this.#varianceMs = measuredMs / 2;
    } else {
      this.#varianceMs += (Math.abs(this.smoothedMs - measuredMs) - this.#varianceMs) / 4;
      this.smoothedMs += (measuredMs - this.smoothedMs) / 8;
    }
  }

  /** The smoothed time, or a guess before the first measurement. */
  get likelyMs(): number {
    return this.smoothedMs ?? INITIAL_RTO_MS / 2;
  }

  /** How long to wait for an acknowledgement, after this many timeouts in a row. */
  timeoutMs(timeoutsInARow: number): number {
    const once = this.smoothedMs === undefined ? INITIAL_RTO_MS : this.smoothedMs + 4 * this.#varianceMs;
    return Math.min(Math.max(once, MIN_RTO_MS) * 2 ** timeoutsInARow, MAX_RTO_MS);
  }
}
