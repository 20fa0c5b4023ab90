import type { OutboundChunk } from './outbound-chunks.ts';

/** Measures how fast the path delivers (draft-cheng-iccrg-delivery-rate-estimation). */
export class Delivery {
  /** Bytes that were acknowledged. */
  bytes = 0;
  #deliveredAtMs = 0;
  #firstSentAtMs = 0;
  #appLimitedUntilBytes = 0;

  /** Records in a chunk that is sent what was delivered by now. @param isIdle nothing is in flight */
  stamp(chunk: OutboundChunk, nowMs: number, isIdle: boolean): void {
    if (isIdle) {
      this.#firstSentAtMs = nowMs;
      this.#deliveredAtMs = nowMs;
    }
    chunk.deliveredBytesAtSend = this.bytes;
    chunk.deliveredAtMs = this.#deliveredAtMs;
    chunk.firstSentAtMs = this.#firstSentAtMs;
    chunk.appLimited = this.#appLimitedUntilBytes > this.bytes;
  }

  /** There is nothing to send, although the window has room: until what is in flight is delivered, rates may be too low. */
  limitByApp(inFlightBytes: number): void {
    this.#appLimitedUntilBytes = this.bytes + Math.max(inFlightBytes, 1);
  }

  /** Takes the newest chunk of an acknowledgement. Returns the time over which it was delivered, in ms. */
  intervalMs(newest: OutboundChunk, nowMs: number): number {
    this.#deliveredAtMs = nowMs;
    this.#firstSentAtMs = newest.sentAtMs;
    return Math.max(newest.sentAtMs - newest.firstSentAtMs, nowMs - newest.deliveredAtMs);
  }

  /** The rate over an interval that ends with this chunk. */
  bytesPerMs(newest: OutboundChunk, intervalMs: number): number {
    return (this.bytes - newest.deliveredBytesAtSend) / Math.max(intervalMs, 1);
  }
}
