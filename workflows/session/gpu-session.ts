import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  log,
  TimeoutFailure,
  uuid4,
} from '@temporalio/workflow';
import type { GpuSessionOpened } from '../../activities/contract.ts';
import type { JobInput } from '../../protocol/jobs/job.ts';
import { fromFailure } from '../../protocol/temporal/failures.ts';
import { runSession, type SessionOffer, type SessionState } from './run-session.ts';
import { endSession } from './session-worker.ts';
import { type Trouble, troubleIn } from './troubles.ts';

/** The session's worker is lost. Another worker may be able to do the job. */
export class WorkerLost extends Error {
  /** True if the worker was evicted and reported it: the job did not cause the loss. */
  readonly isEvicted: boolean;
  /** Set if the worker is alive, and cannot do the job. */
  readonly trouble: Trouble | undefined;

  constructor(message: string, { isEvicted = false, trouble }: { isEvicted?: boolean; trouble?: Trouble } = {}) {
    super(message);
    this.isEvicted = isEvicted;
    this.trouble = trouble;
  }
}

/** One session on one worker. Whatever happens, `end` must be called. */
export class GpuSession implements SessionState {
  /** A random id that nobody can guess. Whoever knows it may report the job's progress. */
  readonly id = uuid4();
  readonly #input: JobInput;
  readonly #activityScope: CancellationScope;
  /** Resolves when the session's activity has ended, in whatever way. */
  readonly #activityEnd: Promise<void>;
  #opened: GpuSessionOpened | undefined;
  #openedAtMs = 0;
  #isEnding = false;
  #lost: WorkerLost | undefined;
  /** What is cancelled if the worker is lost: the body, later `end`. */
  #onWorker: CancellationScope | undefined;

  constructor(input: JobInput, offer: SessionOffer) {
    this.#input = input;
    // If the job is cancelled, the session must go on until the job's work on the worker has stopped. So its scope is the child of
    // a scope that cancellation does not reach, and only `end` cancels it.
    const shield = new CancellationScope({ cancellable: false });
    this.#activityScope = new CancellationScope({ cancellable: true, parent: shield });
    this.#activityEnd = this.#activityScope
      .run(() => runSession(input, this, offer))
      .then(
        () => {
          if (!this.#isEnding) this.#lose('the worker ended the session');
        },
        (failure: unknown) =>
          this.#lose(fromFailure(failure).message, { isEvicted: this.#opened !== undefined && isEviction(failure) }),
      );
  }

  get opened(): GpuSessionOpened | undefined {
    return this.#opened;
  }

  get openedAtMs(): number {
    return this.#openedAtMs;
  }

  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Handles the signal of a worker; a late signal of an earlier session is ignored. */
  open(opened: GpuSessionOpened): void {
    if (opened.session_id !== this.id) return;
    if (this.#isEnding) {
      // If Temporal could start the activity only now, nobody else would end it.
      this.#activityScope.cancel();
      return;
    }
    this.#openedAtMs = Date.now();
    if (this.#opened === undefined) this.#opened = opened;
    // A second worker answers only if the first one was lost and the server has retried the activity.
    else if (this.#opened.worker_queue !== opened.worker_queue) this.#lose('another worker took the session');
  }

  /** Waits for a worker. @throws WorkerLost; CancelledFailure */
  async untilOpened(): Promise<GpuSessionOpened> {
    await condition(() => this.#opened !== undefined || this.#lost !== undefined);
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#opened === undefined) throw new WorkerLost('no worker');
    return this.#opened;
  }

  /** Runs the body in a scope that ends with the worker. @throws WorkerLost; what the body throws */
  async run<T>(body: () => Promise<T>): Promise<T> {
    if (this.#lost !== undefined) throw this.#lost;
    this.#onWorker = new CancellationScope({ cancellable: true });
    try {
      return await this.#onWorker.run(body);
    } catch (error) {
      const trouble = troubleIn(error);
      if (trouble !== undefined) throw this.#lost ?? new WorkerLost(trouble.error.message, { trouble });
      if (isWorkerDead(error)) this.#lose(fromFailure(error).message);
      throw this.#lost ?? error;
    }
  }

  /**
   * Frees the slot, also if the workflow is cancelled. If the worker is dead, the server notices that.
   * @param keepFiles true if the job's files stay on the worker
   */
  async end(keepFiles: boolean): Promise<void> {
    this.#isEnding = true;
    const opened = this.#opened;
    await CancellationScope.nonCancellable(async () => {
      try {
        if (opened !== undefined && this.#lost === undefined) {
          this.#onWorker = new CancellationScope({ cancellable: true });
          await this.#onWorker.run(() => endSession(opened, this.#input.spec.job_id, keepFiles));
        } else {
          this.#activityScope.cancel();
        }
      } catch (failure) {
        log.warn('the session could not be ended on its worker', { cause: fromFailure(failure).message });
        this.#activityScope.cancel();
      }
      await this.#activityEnd;
    });
  }

  #lose(reason: string, { isEvicted = false } = {}): void {
    this.#lost ??= new WorkerLost(reason, { isEvicted });
    this.#onWorker?.cancel();
  }
}

/** True if the worker's queue is not polled any more, or an activity's heartbeat was missed: it died before its session noticed. */
function isWorkerDead(error: unknown): boolean {
  if (!(error instanceof ActivityFailure)) return false;
  const { cause } = error;
  return (
    cause instanceof TimeoutFailure && (cause.timeoutType === 'SCHEDULE_TO_START' || cause.timeoutType === 'HEARTBEAT')
  );
}

/** True if the worker itself has ended the session because it shuts down; after a missed heartbeat the failure is another. */
function isEviction(failure: unknown): boolean {
  return (
    failure instanceof ActivityFailure &&
    failure.cause instanceof ApplicationFailure &&
    failure.cause.type === 'WORKER_LOST'
  );
}
