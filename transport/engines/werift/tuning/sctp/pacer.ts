/** Time that one burst may make up for, in ms: Node's timers are 1 to 2 ms late. */
const SLACK_MS = 2.5;
/** Packets that may always be sent in one burst. */
const SLACK_PACKETS = 4;

/** Spreads packets over time: a bucket that fills at the rate of the path, and that each packet takes its bytes from. */
export class Pacer {
  #bytes = 0;
  #atMs: number;
  #bytesPerMs = Number.POSITIVE_INFINITY;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Fills the bucket for the time since the last call. */
  fill(nowMs: number, bytesPerMs: number, packetBytes: number): void {
    const mostBytes = Math.max(bytesPerMs * SLACK_MS, SLACK_PACKETS * packetBytes);
    const filled = this.#bytes + bytesPerMs * (nowMs - this.#atMs);
    // Zero time at an infinite rate is NaN.
    this.#bytes = Number.isNaN(filled) ? mostBytes : Math.min(filled, mostBytes);
    this.#atMs = nowMs;
    this.#bytesPerMs = bytesPerMs;
  }

  /** Time until the next packet may be sent, in ms. 0 if it may be sent now. */
  get waitMs(): number {
    return this.#bytes > 0 ? 0 : Math.max(-this.#bytes / this.#bytesPerMs, 1);
  }

  take(bytes: number): void {
    this.#bytes -= bytes;
  }

  empty(): void {
    this.#bytes = 0;
  }
}
