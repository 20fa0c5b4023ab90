/** Time that may be made up for in one burst, in ms: a timer of Node's comes 1 to 2 ms late. */
const SLACK_MS = 2.5;
/** Packets that may always go out in one burst. */
const SLACK_PACKETS = 4;

/** Spreads packets over time: a bucket that fills at the rate of the path, and from which each packet takes its bytes. */
export class Pacer {
  #bytes = 0;
  #atMs: number;
  #bytesPerMs = Number.POSITIVE_INFINITY;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Fills it for the time since the last time. */
  fill(nowMs: number, bytesPerMs: number, packetBytes: number): void {
    const mostBytes = Math.max(bytesPerMs * SLACK_MS, SLACK_PACKETS * packetBytes);
    const filled = this.#bytes + bytesPerMs * (nowMs - this.#atMs);
    // No time at an infinite rate is no number.
    this.#bytes = Number.isNaN(filled) ? mostBytes : Math.min(filled, mostBytes);
    this.#atMs = nowMs;
    this.#bytesPerMs = bytesPerMs;
  }

  /** How long to wait for the next packet, in ms; 0 where it may go. */
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
