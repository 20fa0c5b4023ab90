/** Notices that no data comes any more. */
export class DataWatch {
  readonly #expired = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #bytes: number | undefined;
  hasReceived = false;

  constructor(timeoutMs: number) {
    this.#timer = setTimeout(() => this.#expired.abort(), timeoutMs);
  }

  /** Aborted when no data has come for the whole timeout. */
  get expired(): AbortSignal {
    return this.#expired.signal;
  }

  /** @param bytes what the transfer has now; the first figure is what an earlier attempt has left */
  received(bytes: number): void {
    const before = this.#bytes ?? bytes;
    this.#bytes = bytes;
    if (bytes === before) return;
    this.hasReceived = true;
    this.#timer.refresh();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
