import { CancellationScope, condition, defineSignal, isCancellation, log, setHandler } from '@temporalio/workflow';
import { fromFailure } from '../protocol/failures.ts';
import type { JobPhase } from '../protocol/job.ts';
import type { JobReport } from './job-report.ts';

/** Asks a training job to give its GPU back and to wait. */
export const pauseJobSignal = defineSignal('pauseJob');
/** Asks a paused job to queue again. */
export const resumeJobSignal = defineSignal('resumeJob');

/**
 * Behind these a job only stores and publishes what it has trained: a pause would gain nothing. It is still `paused` where it
 * has just been resumed, and both orders came while the control worker was away.
 */
const PAUSABLE: ReadonlySet<JobPhase> = new Set(['queued', 'receiving', 'training', 'paused']);

/** In these what the job is for has happened, or can't be taken back. */
const TOO_LATE: ReadonlySet<JobPhase> = new Set(['publishing', 'returning']);

/** Thrown by `whilePausable` only: the job is to let its worker go, and to wait. */
export class Paused extends Error {}

/** Whether a job is to be paused, as `pauseJob` and `resumeJob` say; its GPU session and its runs ask. */
export class Pauses {
  readonly #report: JobReport;
  #wanted = false;
  /** Interrupts what is under way; undefined where nothing is that a pause may interrupt. */
  #interrupt: (() => void) | undefined;
  #handOver: (() => Promise<void>) | undefined;

  constructor(report: JobReport) {
    this.#report = report;
    setHandler(pauseJobSignal, () => {
      const { phase } = report.status;
      if (this.#wanted || !PAUSABLE.has(phase)) return;
      this.#wanted = true;
      if (phase !== 'paused')
        report.enter(phase, phase === 'training' ? 'pausing; the last checkpoint is kept' : 'pausing');
      this.#interrupt?.();
    });
    setHandler(resumeJobSignal, () => this.resume());
  }

  /** Ends a pause. */
  resume(): void {
    this.#wanted = false;
  }

  /** Waits until the job is not paused, or no longer; says so while it is. @throws CancelledFailure */
  async over(): Promise<void> {
    if (!this.#wanted) return;
    this.#report.onWorker(null);
    this.#report.enter('paused', pausedDetail(this.#report));
    // Resumed and paused again at once, it has been resumed for the condition, and is paused all the same.
    while (this.#wanted) await condition(() => !this.#wanted);
  }

  /** Trains under the eyes of `pauseJob`: `handOver` tells the worker to keep the last checkpoint, before training is ended. */
  async whileTraining<T>(train: () => Promise<T>, handOver: () => Promise<void>): Promise<T> {
    this.#handOver = handOver;
    try {
      return await train();
    } finally {
      this.#handOver = undefined;
    }
  }

  /**
   * Runs `body`, which a pause cancels. If it comes to a result in spite of that, that counts.
   * @throws Paused; what `body` throws
   */
  async whilePausable<T>(body: () => Promise<T>): Promise<T> {
    const scope = new CancellationScope({ cancellable: true });
    let pausing: Promise<void> | undefined;
    this.#interrupt = () => {
      pausing ??= scope
        .run(async () => this.#handOver?.())
        .catch((failure: unknown) => {
          // The job will go on from an earlier checkpoint; or else the body was faster.
          if (!isCancellation(failure)) log.warn('not told to pause', { cause: fromFailure(failure).message });
        })
        // Training may have come to its end meanwhile.
        .then(() => TOO_LATE.has(this.#report.status.phase) || scope.cancel())
        .then(() => undefined);
    };
    try {
      return await scope.run(body);
    } catch (error) {
      // A step that fails while it is told to stop is not tried again: that is no failure of the job.
      if (scope.consideredCancelled && !CancellationScope.current().consideredCancelled) throw new Paused();
      throw error;
    } finally {
      this.#interrupt = undefined;
      scope.cancel();
      await pausing;
    }
  }
}

function pausedDetail({ status: { job_id, staging } }: JobReport): string {
  const computer = staging === 'staged' ? '' : '; the researcher’s computer is needed again then';
  return `paused: \`sleap-rtc jobs resume ${job_id}\` goes on with it${computer}`;
}
