import type { TransferProgress } from '../../../protocol/jobs/job-view.ts';
import { PROGRESS_INTERVAL_MS, RATE_WINDOW_MS } from './limits.ts';

/** Counts a transfer's bytes, and reports them at most four times a second and at the end. */
export class ProgressMeter {
  readonly #totalBytes: number;
  readonly #report: ((progress: TransferProgress) => void) | undefined;
  #hadBytes = 0;
  #movedBytes = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  /** Readings of the moved bytes within the time over which the rate is measured. */
  #readings = [{ at: performance.now(), bytes: 0 }];

  constructor(totalBytes: number, report: ((progress: TransferProgress) => void) | undefined) {
    this.#totalBytes = totalBytes;
    this.#report = report;
  }

  get hadBytes(): number {
    return this.#hadBytes;
  }

  get leftBytes(): number {
    return this.#totalBytes - this.#hadBytes - this.#movedBytes;
  }

  /** Counts bytes that went over the network. Negative if they have to be sent again. */
  moved(bytes: number): void {
    this.#movedBytes += bytes;
    if (performance.now() - this.#reportedAt >= PROGRESS_INTERVAL_MS) this.#emit();
  }

  /** Counts bytes that the receiver had already. */
  had(bytes: number): void {
    this.setHad(this.#hadBytes + bytes);
  }

  /** Sets the bytes that the receiver had already. */
  setHad(bytes: number): void {
    this.#hadBytes = bytes;
  }

  /** Reports the end. */
  finish(): void {
    this.#emit();
  }

  #emit(): void {
    const now = performance.now();
    this.#reportedAt = now;
    this.#readings.push({ at: now, bytes: this.#movedBytes });
    while (this.#readings.length > 2 && now - (this.#readings[1]?.at ?? now) >= RATE_WINDOW_MS) this.#readings.shift();
    const [oldest = { at: now, bytes: 0 }] = this.#readings;
    const seconds = (now - oldest.at) / 1000;
    this.#report?.({
      bytes: Math.min(this.#totalBytes, this.#hadBytes + this.#movedBytes),
      total_bytes: this.#totalBytes,
      bytes_per_s: seconds > 0 ? Math.max(0, Math.round((this.#movedBytes - oldest.bytes) / seconds)) : 0,
    });
  }
}
