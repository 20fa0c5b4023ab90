import type { Logger } from 'pino';
import { LauncherProcess, type SleapNnCommand, type SleapNnExit } from './launcher-process.ts';

/** A spare is not built where less memory than this is left for a job, in bytes (its own imports take about 0.6 GB). */
const MIN_FREE_BYTES = 2 * 2 ** 30;
/** Pause before a spare that died while importing is built again, in milliseconds; doubled each time up to the maximum. */
const REBUILD_DELAY_MS = 5_000;
const MAX_REBUILD_DELAY_MS = 10 * 60_000;

/** A sleap-nn that is running. */
export interface RunningSleapNn {
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** True where the imports had been done before. */
  readonly wasWarm: boolean;
  /** Resolves when it has ended by itself or been ended; never rejects. */
  readonly exited: Promise<SleapNnExit>;
  /** SIGTERM to the process group, SIGKILL after `graceMs`; resolves when nothing of it runs. */
  terminate(graceMs: number): Promise<SleapNnExit>;
}

/**
 * Starts one sleap-nn command in its own process group, which ends with this process even if that is killed with -9.
 * @param options `python` with sleap-nn; `workDir` of the worker, by which it finds the process again; `spare` to use a process whose imports are done, where there is one
 * @throws SleapRtcError INTERNAL where Python could not be started
 */
export async function startSleapNn(
  options: SleapNnCommand & { python: string; workDir?: string; spare?: WarmTrainer | undefined },
): Promise<RunningSleapNn> {
  const { python, workDir, spare, ...command } = options;
  const taken = spare?.take();
  if (taken !== undefined) {
    try {
      return await begin(taken.launcher, command, taken.isWarm);
    } catch {
      // The spare died before it began: nothing has been done yet, so a fresh one is as good.
    }
  }
  return begin(new LauncherProcess({ python, workDir, warm: false }), command, false);
}

async function begin(launcher: LauncherProcess, command: SleapNnCommand, wasWarm: boolean): Promise<RunningSleapNn> {
  await launcher.run(command);
  return {
    startedAtMs: launcher.startedAtMs ?? Date.now(),
    wasWarm,
    exited: launcher.exited,
    terminate: (graceMs) => launcher.terminate(graceMs),
  };
}

/**
 * Keeps at most one spare process that has done sleap-nn's imports and waits. They take 10 to 15 s of CPU, more than a
 * small job's training; the spare is therefore built while the GPU is free, and for a job's next run when the training of the
 * one before is over, never beside a training.
 */
export class WarmTrainer implements AsyncDisposable {
  readonly #python: string;
  readonly #workDir: string | undefined;
  readonly #enabled: boolean;
  readonly #logger: Logger | undefined;
  #spare: LauncherProcess | undefined;
  #isWarm = false;
  #wanted = false;
  #disposed = false;
  readonly #rebuildDelayMs: number;
  #delayMs: number;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param options `enabled` false (`SLEAP_RTC_WARM_TRAINER=0`) makes it keep nothing; `rebuildDelayMs` is the first pause
   *   before a spare that died is replaced
   */
  constructor(options: {
    python: string;
    workDir?: string;
    enabled?: boolean;
    logger?: Logger;
    rebuildDelayMs?: number;
  }) {
    this.#workDir = options.workDir;
    this.#rebuildDelayMs = options.rebuildDelayMs ?? REBUILD_DELAY_MS;
    this.#delayMs = this.#rebuildDelayMs;
    this.#python = options.python;
    this.#enabled = options.enabled ?? true;
    this.#logger = options.logger;
  }

  /** True where a spare waits with its imports done. */
  get ready(): boolean {
    return this.#spare !== undefined && this.#isWarm;
  }

  /** Process groups that are kept: none or one. */
  get pids(): number[] {
    const pid = this.#spare?.pid;
    return pid === undefined ? [] : [pid];
  }

  /**
   * Builds a spare if there is none. Call when the GPU slot becomes free; from then on a spare that dies is replaced after
   * a pause, until it is taken.
   */
  ensureSpare(): void {
    this.#wanted = true;
    this.#build();
  }

  /** Resolves true when the spare now being built is warm, false where there is none or it died; never rejects. */
  async whenWarm(): Promise<boolean> {
    const spare = this.#spare;
    if (spare === undefined) return false;
    return spare.warm.then(
      () => true,
      () => false,
    );
  }

  /** Hands out the spare, also one that is still importing: it is ahead of a new one. No other is built until `ensureSpare`. */
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
  async dispose(): Promise<void> {
    this.#disposed = true;
    const spare = this.#spare;
    clearTimeout(this.#timer);
    this.#spare = undefined;
    spare?.kill();
    await spare?.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #build(): void {
    if (!this.#enabled || this.#disposed || this.#spare !== undefined) return;
    if (process.availableMemory() < MIN_FREE_BYTES) return;
    const spare = new LauncherProcess({ python: this.#python, workDir: this.#workDir, warm: true });
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
      if (!this.#wanted || this.#disposed) return;
      this.#logger?.warn({ retryInMs: this.#delayMs }, 'the warm sleap-nn process ended by itself');
      this.#timer = setTimeout(() => this.#build(), this.#delayMs);
      this.#timer.unref();
      this.#delayMs = Math.min(this.#delayMs * 2, MAX_REBUILD_DELAY_MS);
    });
  }
}
