import { CancellationScope, condition, defineUpdate, isCancellation, log, setHandler } from '@temporalio/workflow';
import type { WorkerActivities } from '../../activities/contract.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import { isFinal, type JobInput, type JobPhase, type TrainingRun, type TrainingSpec } from '../../protocol/jobs/job.ts';
import type { JobAction } from '../../protocol/jobs/job-action.ts';
import { endedAlready } from '../../protocol/jobs/job-refusals.ts';
import { fromFailure, toApplicationFailure } from '../../protocol/temporal/failures.ts';
import type { JobReport } from './job-report.ts';

/** Asks a job to stop its run early, to pause, to go on, or to end. Its validator refuses what the job cannot do. */
export const controlJobUpdate = defineUpdate<void, [{ action: JobAction }]>('controlJob');

/** If a worker did not receive a stop, the stop is sent again after this time, then after twice as long. */
const FIRST_RETRY_MS = 5_000;
/** The longest time between two tries: a training of 14 days must not make a long history. */
const LONGEST_RETRY_MS = 60 * 60_000;

/** In these phases a job has no worker, or its data is not there yet. */
const WAITING: ReadonlySet<JobPhase> = new Set(['queued', 'awaiting_data', 'receiving', 'paused']);
/** In later phases a job only uploads and publishes what it has trained: a pause would gain nothing. */
const PAUSABLE: ReadonlySet<JobPhase> = new Set(['queued', 'awaiting_data', 'receiving', 'training', 'paused']);
/** In these phases of its last run the job has done what it is for, or cannot take it back. */
const TOO_LATE: ReadonlySet<JobPhase> = new Set(['publishing', 'returning']);

/** Thrown by `RunControl.untilPaused` only: the job gives its worker back and waits. */
export class Paused extends Error {}

/**
 * What a researcher wants of a job: the one place that knows whether the job is to pause, to end its run early, or to end.
 *
 * A stop is for the run under way, or if none is, for the next one; it ends a pause. An accepted stop is sent until a worker has
 * received it: to this worker again, or to the next one if this one is lost. Before anything is trained, a stop ends the job.
 */
export class RunControl {
  readonly #input: JobInput;
  readonly #report: JobReport;
  /** The workflow's own scope: to cancel it is what Temporal's cancellation does. */
  readonly #workflow = CancellationScope.current();
  #ending: SleapRtcError | undefined;
  #isPauseWanted = false;
  #isStopWanted = false;
  /** Counts the stops, so that a repeated one is passed on at once. */
  #stops = 0;
  /** The run under way, also while the job waits for another worker to go on with it. */
  #run: TrainingRun | undefined;
  /** Names of the runs that have been trained. */
  readonly #trained = new Set<string>();
  #worker: Pick<WorkerActivities, 'controlTraining'> | undefined;
  /** Interrupts the session for a pause; undefined outside of one. */
  #interrupt: (() => void) | undefined;

  /** Must be made before the workflow first waits, so that no action comes too early. */
  constructor(input: JobInput, report: JobReport) {
    this.#input = input;
    this.#report = report;
    setHandler(controlJobUpdate, ({ action }) => this.#carryOut(action), {
      validator: ({ action }) => {
        const refusal = this.#refusal(action);
        if (refusal !== undefined) throw toApplicationFailure(refusal);
      },
    });
  }

  /** Why the job ends, if a researcher ended it. */
  get ending(): SleapRtcError | undefined {
    return this.#ending;
  }

  /** True if the job was cancelled, by a researcher or in Temporal. */
  get isCancelled(): boolean {
    return this.#workflow.consideredCancelled;
  }

  /** Waits while the job is paused, and reports that it is. @throws CancelledFailure */
  async resumed(): Promise<void> {
    if (!this.#isPauseWanted) return;
    this.#report.onWorker(null);
    this.#report.enter('paused', pausedDetail(this.#report));
    // If the job is resumed and paused again before this workflow runs, `condition` returns and the job is still paused.
    while (this.#isPauseWanted) await condition(() => !this.#isPauseWanted);
  }

  /**
   * Runs `body`, a session or the wait for one. A pause cancels it; if it has a result in spite of that, the result counts.
   * @throws Paused; what `body` throws
   */
  async untilPaused<T>(body: () => Promise<T>): Promise<T> {
    const scope = new CancellationScope({ cancellable: true });
    let pausing: Promise<void> | undefined;
    this.#interrupt = () => {
      pausing ??= this.#endForPause(scope);
    };
    try {
      return await scope.run(body);
    } catch (error) {
      // A step that fails while it is being cancelled is not tried again. Its failure does not fail the job.
      if (scope.consideredCancelled && !CancellationScope.current().consideredCancelled) throw new Paused();
      throw error;
    } finally {
      this.#interrupt = undefined;
      scope.cancel();
      await pausing;
    }
  }

  /** Trains a run with `train`, and passes a stop or pause on to its worker meanwhile. @throws what `train` throws */
  async during<T>(
    run: TrainingRun,
    worker: Pick<WorkerActivities, 'controlTraining'>,
    train: () => Promise<T>,
  ): Promise<T> {
    this.#run = run;
    this.#worker = worker;
    this.#trained.delete(run.name); // its model was lost with a worker
    let isOver = false;
    const stopping = this.#stopIfWanted(run, () => isOver);
    let trained: T;
    try {
      trained = await train();
    } finally {
      this.#worker = undefined;
      isOver = true;
      await stopping;
    }
    this.#run = undefined;
    this.#isStopWanted = false;
    this.#trained.add(run.name);
    return trained;
  }

  /** Why the job cannot do this now; undefined if it can. */
  #refusal(action: JobAction): SleapRtcError | undefined {
    const { status } = this.#report;
    const { job_id, phase, detail } = status;
    if (isFinal(phase)) return endedAlready(status);
    if (action === 'cancel') return undefined;
    if (this.#input.spec.kind === 'inference') return refusedByInference(action, job_id);
    switch (action) {
      case 'stop':
        if (this.#run !== undefined || WAITING.has(phase)) return undefined;
        return refused(`Job ${job_id} has no training under way to stop: ${detail}.`);
      case 'pause':
        if (PAUSABLE.has(phase)) return undefined;
        return refused(`Job ${job_id} is not paused, since nothing is being trained now: ${detail}.`);
      case 'resume':
        if (this.#isPauseWanted || phase === 'paused') return undefined;
        return refused(`Job ${job_id} is not paused: ${detail}.`);
      default:
        return refused('A job can be stopped, paused, resumed or cancelled.');
    }
  }

  #carryOut(action: JobAction): void {
    switch (action) {
      case 'cancel':
        this.#end('The job was cancelled.');
        break;
      case 'stop':
        this.#stop();
        break;
      case 'pause':
        this.#pause();
        break;
      case 'resume':
        this.#isPauseWanted = false;
    }
  }

  #end(why: string): void {
    this.#ending ??= new SleapRtcError('JOB_CANCELLED', why);
    this.#workflow.cancel();
  }

  #stop(): void {
    this.#stops += 1;
    if (this.#run === undefined && this.#trained.size === 0) {
      this.#end('Stopped before anything was trained: there is no model to publish.');
      return;
    }
    this.#isStopWanted = true;
    this.#isPauseWanted = false;
    const which = this.#run?.name ?? 'the next training';
    this.#report.enter(this.#report.status.phase, `${which} ends early; its best model will be published`);
  }

  #pause(): void {
    if (this.#isPauseWanted) return;
    this.#isPauseWanted = true;
    const { phase } = this.#report.status;
    if (phase !== 'paused')
      this.#report.enter(phase, phase === 'training' ? 'pausing; the last checkpoint is uploaded' : 'pausing');
    this.#interrupt?.();
  }

  /** Sends the pause to the worker first, so that it uploads its last checkpoint. Then cancels the session. */
  async #endForPause(session: CancellationScope): Promise<void> {
    try {
      await session.run(async () => this.#send('pause'));
    } catch (failure) {
      // The job will go on from an earlier checkpoint, or training has ended first.
      if (!isCancellation(failure))
        log.warn('the worker did not receive the pause', { cause: fromFailure(failure).message });
    }
    // The last training may have ended meanwhile.
    if (!this.#isTooLate) session.cancel();
  }

  /** Waits until a stop is wanted, and sends it until the worker has received it. Never rejects. */
  async #stopIfWanted(run: TrainingRun, isOver: () => boolean): Promise<void> {
    try {
      await condition(() => isOver() || this.#isStopWanted);
      for (let retryMs = FIRST_RETRY_MS; !isOver(); retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS)) {
        const stopsBefore = this.#stops;
        try {
          return await this.#send('stop');
        } catch (failure) {
          if (isOver() || isCancellation(failure)) throw failure;
          log.warn('the run was not stopped; the stop is sent again', { cause: fromFailure(failure).message });
          const { phase } = this.#report.status;
          this.#report.enter(phase, `${run.name} has not received the stop yet; it is sent again`);
        }
        await condition(() => isOver() || this.#stops > stopsBefore, retryMs);
      }
    } catch (failure) {
      // The worker is lost, or the run has ended: the stop is sent to the next worker.
      if (!isCancellation(failure)) log.warn('the run was not stopped', { cause: fromFailure(failure).message });
    }
  }

  get #isTooLate(): boolean {
    const { spec } = this.#input;
    const isAllTrained = spec.kind === 'inference' || spec.runs.every(({ name }) => this.#trained.has(name));
    return isAllTrained && TOO_LATE.has(this.#report.status.phase);
  }

  async #send(action: 'stop' | 'pause'): Promise<void> {
    const { spec } = this.#input;
    if (this.#run === undefined || this.#worker === undefined || spec.kind !== 'training') return;
    const input: JobInput<TrainingSpec> = { ...this.#input, spec };
    await this.#worker.controlTraining({ input, run_index: spec.runs.indexOf(this.#run), action });
  }
}

function refused(sentence: string): SleapRtcError {
  return new SleapRtcError('JOB_ACTION_REFUSED', sentence);
}

function refusedByInference(action: Exclude<JobAction, 'cancel'>, jobId: string): SleapRtcError {
  const sentences = {
    stop: 'An inference job has no model that could be published if it is stopped early.',
    pause: 'An inference job has no checkpoint to resume from, so it cannot be paused.',
    resume: 'An inference job is never paused.',
  };
  const remedy = `End it with \`sleap-rtc jobs cancel ${jobId}\`.`;
  return new SleapRtcError('JOB_ACTION_REFUSED', sentences[action], { remedy });
}

function pausedDetail({ status: { job_id, staging } }: JobReport): string {
  const computer = staging === 'staged' ? '' : '; the researcher’s computer is needed again then';
  return `paused: \`sleap-rtc jobs resume ${job_id}\` resumes it${computer}`;
}
