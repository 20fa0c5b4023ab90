/** When to send heartbeats and when to give up. */
export interface LivenessOptions {
  intervalMs: number;
  /** Silence after which the other side counts as lost. */
  silenceTimeoutMs: number;
  /** Sends a heartbeat. */
  beat: () => void;
  /** Called once, if nothing was received for `silenceTimeoutMs`. */
  onSilent: () => void;
}

/** Sends heartbeats and notices when the other side has fallen silent. The caller stops it. */
export class Liveness {
  readonly #options: LivenessOptions;
  readonly #timer: NodeJS.Timeout;
  #receivedAt = performance.now();
  #tickedAt = performance.now();

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), options.intervalMs);
    options.beat();
  }

  /** Something was received from the other side. */
  received(): void {
    this.#receivedAt = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { intervalMs, silenceTimeoutMs, beat, onSilent } = this.#options;
    const now = performance.now();
    const lateMs = now - this.#tickedAt - intervalMs;
    this.#tickedAt = now;
    // A late tick means that this process was blocked. What the other side sent meanwhile was not read yet.
    if (lateMs > intervalMs) this.#receivedAt = Math.min(now, this.#receivedAt + lateMs);
    if (now - this.#receivedAt < silenceTimeoutMs) {
      beat();
    } else {
      this.stop();
      onSilent();
    }
  }
}
