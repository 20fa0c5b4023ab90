/** When to beat and when to give up. Times in milliseconds. */
export interface LivenessOptions {
  intervalMs: number;
  silenceMs: number;
  /** Sends a sign of life. */
  beat: () => void;
  /** Called once, when nothing was heard for `silenceMs`. */
  onSilent: () => void;
}

/** Beats at an interval and notices when the other side has fallen silent. Whoever makes it disposes it. */
export class Liveness implements Disposable {
  readonly #options: LivenessOptions;
  readonly #timer: NodeJS.Timeout;
  #heardAt = performance.now();
  #tickedAt = performance.now();

  constructor(options: LivenessOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), options.intervalMs);
    options.beat();
  }

  /** Tells that something, anything, came from the other side. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { intervalMs, silenceMs, beat, onSilent } = this.#options;
    const now = performance.now();
    const lateMs = now - this.#tickedAt - intervalMs;
    this.#tickedAt = now;
    // A late tick means that this process was held up; what the other side sent meanwhile is still unread.
    if (lateMs > intervalMs) this.#heardAt = Math.min(now, this.#heardAt + lateMs);
    if (now - this.#heardAt < silenceMs) {
      beat();
    } else {
      this[Symbol.dispose]();
      onSilent();
    }
  }
}
