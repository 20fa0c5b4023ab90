import type { Logger } from 'pino';
import type { Sandbox } from '../../sandbox/index.ts';
import { LauncherProcess } from './launcher-process.ts';

/** No spare is built if less memory than this is left for a job, in bytes (its own imports take about 0.6 GB). */
const MIN_FREE_BYTES = 2 * 2 ** 30;
/** Pause before a spare that died during its imports is replaced, in milliseconds; doubled each time up to the maximum. */
const REBUILD_DELAY_MS = 5_000;
const MAX_REBUILD_DELAY_MS = 10 * 60_000;

/**
 * Has at most one spare process that has done sleap-nn's imports and waits. They take 10 to 15 s of CPU, more than a small job's
 * training. So the spare is built while the GPU is free, and for a job's next run when the training of the run before has
 * ended, but never beside a training.
 */
export class WarmTrainer {
  readonly #sandbox: Sandbox;
  readonly #workDir: string | undefined;
  readonly #logger: Logger | undefined;
  #spare: LauncherProcess | undefined;
  #isWarm = false;
  #wanted = false;
  #closed = false;
  readonly #rebuildDelayMs: number;
  #delayMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param options.rebuildDelayMs the first pause before a spare that died is replaced */
  constructor(options: {
    sandbox: Sandbox;
    workDir?: string;
    logger?: Logger;
    rebuildDelayMs?: number;
  }) {
    this.#workDir = options.workDir;
    this.#rebuildDelayMs = options.rebuildDelayMs ?? REBUILD_DELAY_MS;
    this.#delayMs = this.#rebuildDelayMs;
    this.#sandbox = options.sandbox;
    this.#logger = options.logger;
  }

  /**
   * Builds a spare if there is none. Call when the GPU slot becomes free. From then on a spare that dies is replaced after a
   * pause, until one is taken.
   */
  ensureSpare(): void {
    this.#wanted = true;
    this.#build();
  }

  /** Hands out the spare, even one that still imports: it is ahead of a new one. No other is built until `ensureSpare`. */
  take(): { launcher: LauncherProcess; isWarm: boolean } | undefined {
    this.#wanted = false;
    clearTimeout(this.#timer);
    const launcher = this.#spare;
    const isWarm = this.#isWarm;
    this.#spare = undefined;
    this.#isWarm = false;
    return launcher && { launcher, isWarm };
  }

  /** Ends the spare; no other is built. */
  async close(): Promise<void> {
    this.#closed = true;
    const spare = this.#spare;
    clearTimeout(this.#timer);
    this.#spare = undefined;
    spare?.kill();
    await spare?.exited;
  }

  #build(): void {
    if (this.#closed || this.#spare !== undefined) return;
    if (process.availableMemory() < MIN_FREE_BYTES) return;
    const spare = new LauncherProcess({ sandbox: this.#sandbox, workDir: this.#workDir, warm: true });
    this.#spare = spare;
    spare.warm.then(
      () => {
        if (this.#spare !== spare) return;
        this.#isWarm = true;
        this.#delayMs = this.#rebuildDelayMs;
        this.#logger?.info({ event: 'trainer_warm', pid: spare.pid });
      },
      () => undefined,
    );
    void spare.exited.then(() => {
      if (this.#spare !== spare) return;
      this.#spare = undefined;
      this.#isWarm = false;
      if (!this.#wanted || this.#closed) return;
      this.#logger?.warn({ retryInMs: this.#delayMs }, 'the warm sleap-nn process ended by itself');
      this.#timer = setTimeout(() => this.#build(), this.#delayMs);
      this.#timer.unref();
      this.#delayMs = Math.min(this.#delayMs * 2, MAX_REBUILD_DELAY_MS);
    });
  }
}
