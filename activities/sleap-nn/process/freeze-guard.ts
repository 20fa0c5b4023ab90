import { SleapRtcError } from '../../../protocol/errors.ts';
import { FreezeWatch } from './freeze-watch.ts';
import type { SleapNnExit } from './launcher-process.ts';
import { type RunningSleapNn, untilExit } from './run-sleap-nn.ts';

/** A sleap-nn may be silent and idle for so long at least, in milliseconds: a slow disk may have it wait. */
const MIN_LIMIT_MS = 60_000;
const MAX_LIMIT_MS = 30 * 60_000;
/** Whoever has seen some epochs knows that a silence of so many of them is no pause between two. */
const LIMIT_EPOCHS = 3;

interface FreezeOptions {
  signal: AbortSignal;
  /** How long the last epoch took, in milliseconds; undefined before the first one, and in a prediction. */
  epochMs?: () => number | undefined;
  /** How long sleap-nn may be silent and idle at least, in milliseconds. Default: a minute. */
  minLimitMs?: number;
  /** How often it is looked at, in milliseconds. Default: five seconds. */
  checkMs?: number;
  /** Says in words that nothing happens. */
  report: (detail: string) => void;
}

/** Waits for sleap-nn's end, and ends it if it stands still. */
export class FreezeGuard {
  readonly #options: FreezeOptions;
  #watch: FreezeWatch | undefined;
  /** For how long sleap-nn stood still when it was ended; undefined if it did not. */
  #frozenMs: number | undefined;

  constructor(options: FreezeOptions) {
    this.#options = options;
  }

  /** Call when anything comes from sleap-nn. */
  onEvent(): void {
    this.#watch?.onEvent();
  }

  /** Resolves when sleap-nn has ended, by itself or not. */
  async wait(sleapNn: RunningSleapNn): Promise<SleapNnExit> {
    const { signal, report, checkMs } = this.#options;
    this.#watch = new FreezeWatch({
      ...(checkMs === undefined ? {} : { checkMs }),
      pid: () => sleapNn.pid,
      limitMs: () => this.#limitMs,
      onSilent: (silentMs) =>
        report(`sleap-nn has done nothing for ${seconds(silentMs)}; it is restarted if that goes on`),
      onFrozen: (silentMs) => {
        this.#frozenMs = silentMs;
        report(`sleap-nn has done nothing for ${seconds(silentMs)}; it is restarted`);
        void sleapNn.terminate(0); // a stopped process does not handle SIGTERM
      },
    });
    try {
      return await untilExit(sleapNn, signal);
    } finally {
      this.#watch.close();
    }
  }

  /** TRAINER_KILLED (retryable) if sleap-nn stood still and was ended; else undefined. */
  get error(): SleapRtcError | undefined {
    if (this.#frozenMs === undefined) return undefined;
    return new SleapRtcError(
      'TRAINER_KILLED',
      `sleap-nn stood still for ${seconds(this.#frozenMs)}, without an event or any use of the CPU, and was ended.`,
    );
  }

  get #limitMs(): number {
    const { epochMs = () => undefined, minLimitMs = MIN_LIMIT_MS } = this.#options;
    return Math.min(MAX_LIMIT_MS, Math.max(minLimitMs, LIMIT_EPOCHS * (epochMs() ?? 0)));
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
