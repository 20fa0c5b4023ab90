import {
  ActivityCancellationType,
  ActivityFailure,
  type ActivityOptions,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  defineSignal,
  log,
  proxyActivities,
  setHandler,
  TimeoutFailure,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type { GpuSessionOpened, SessionActivities } from '../activities/contract.ts';
import { SleapRtcError } from '../protocol/errors.ts';
import { fromFailure } from '../protocol/failures.ts';
import type { JobInput } from '../protocol/job.ts';
import { queuePriority, workerSessionQueue } from '../protocol/queues.ts';
import { sessionQueueOf } from '../protocol/session-queues.ts';
import { Paused } from './run-control.ts';
import type { Job } from './run-job.ts';
import { endSession, HEARTBEAT_WITHIN, type SessionWorker, sessionWorker } from './session-worker.ts';

/** A worker's answer to `runGpuSession`. */
export const gpuSessionOpenedSignal = defineSignal<[GpuSessionOpened]>('gpuSessionOpened');

/** A job that has outlived this many workers may be what kills them; those that had to go and said so do not count. */
const MAX_POD_LOSSES = 5;
/** More than this without a heartbeat, in ms, and it is Temporal that was away: a worker's death is noticed sooner. */
const AWAY_FROM_MS = 12_000;
/** How long the worker of a missed heartbeat may take to answer, as long as nothing else speaks for its life. */
const DEAD_OR_ALIVE_WITHIN = '3s';
/** After Temporal was away, a worker may take so long to find it again: its polls are up to 10 s apart. */
const BACK_WITHIN = '30s';

/**
 * Runs `fn` with a worker whose only GPU slot is this job's, and frees the slot at the end, however that comes about.
 *
 * A session is a heartbeating activity on a shared queue that tells the workflow the worker's own queue. Where the worker dies,
 * the heartbeat is missed within seconds: everything that `fn` has under way is cancelled, and `fn` runs anew with another
 * worker. What must survive a worker is kept outside of `fn`. If `fn` comes to a result in spite of the loss, that counts.
 * A job that can be paused gives its worker back meanwhile, and `fn` runs anew when it is resumed.
 * @throws what `fn` throws; SleapRtcError WORKER_LOST after too many workers
 */
export async function withGpuSession<T>(
  { input, report, control }: Job,
  fn: (worker: SessionWorker) => Promise<T>,
): Promise<T> {
  let session: GpuSession | undefined;
  setHandler(gpuSessionOpenedSignal, (opened) => session?.open(opened));

  let firstOfferTo = input.context.first_offer_to;
  let losses = 0;
  for (let before: WorkerLost | undefined; ; ) {
    await control.resumed();
    const here = new GpuSession(input, firstOfferTo);
    session = here;
    const onOneWorker = async () => {
      const worker = await here.opened();
      firstOfferTo = worker.worker; // a pause leaves the data there
      report.onWorker(worker.worker, here.id);
      return here.run(() => fn(worker));
    };
    try {
      report.onWorker(null);
      report.enter(
        'queued',
        before === undefined ? waitingFor(input) : `${waitingFor(input)}; the one before went away`,
      );
      return await control.untilPaused(onOneWorker);
    } catch (error) {
      if (error instanceof Paused) continue;
      if (!(error instanceof WorkerLost)) throw error;
      if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('The job was cancelled.');
      before = error;
      if (!error.evicted) losses += 1;
      firstOfferTo = undefined; // it may be the one that is lost
      log.warn('worker lost', { losses, evicted: error.evicted, cause: error.message });
      if (losses > MAX_POD_LOSSES) throw tooManyLosses(losses, error);
    } finally {
      await here.end();
    }
  }
}

function waitingFor({ spec, context }: JobInput): string {
  const { worker } = spec.requirements;
  return worker === undefined ? `waiting for a free worker of ${context.room_id}` : `waiting for ${worker}`;
}

/** Thrown inside this file only: the session's worker is gone, another may do. */
class WorkerLost extends Error {
  /** True where the worker had to go, and said so: that is none of the job's doing. */
  readonly evicted: boolean;

  constructor(message: string, evicted = false) {
    super(message);
    this.evicted = evicted;
  }
}

/** One hold of one worker. `end` must be called, whatever happens. */
class GpuSession {
  readonly #input: JobInput;
  /** Not to be guessed: whoever knows it may report progress of the job. */
  readonly id = uuid4();
  readonly #sessionScope: CancellationScope;
  /** Resolves when the hold has ended, however it ended. */
  readonly #held: Promise<void>;
  #worker: GpuSessionOpened | undefined;
  #lost: WorkerLost | undefined;
  #ending = false;
  #openedAtMs = 0;
  /** What must stop when the worker is lost: the body, later the end. */
  #onWorker: CancellationScope | undefined;

  /** @param firstOfferTo a worker that is asked before the others */
  constructor(input: JobInput, firstOfferTo: string | undefined) {
    this.#input = input;
    // The hold must outlive a cancellation of the job until what runs on the worker has stopped, so it hangs below a scope
    // that cancellation does not reach; `end` is its only owner.
    const shield = new CancellationScope({ cancellable: false });
    this.#sessionScope = new CancellationScope({ cancellable: true, parent: shield });
    this.#held = this.#sessionScope
      .run(() => this.#hold(firstOfferTo))
      .then(
        () => this.#ending || this.#lose('the worker ended the session'),
        (failure: unknown) =>
          this.#lose(fromFailure(failure).message, this.#worker !== undefined && isEviction(failure)),
      )
      .then(() => undefined);
  }

  /** The signal's handler; a late signal of an earlier session is ignored. */
  open(opened: GpuSessionOpened): void {
    if (opened.session_id !== this.id) return;
    if (this.#ending) {
      // A hold that Temporal could hand out only now is one that nobody would end: the session has been ended, or is being.
      this.#sessionScope.cancel();
      return;
    }
    this.#openedAtMs = Date.now();
    if (this.#worker === undefined) this.#worker = opened;
    // A second worker answers only where the first was lost and the server has retried the hold.
    else if (this.#worker.worker_queue !== opened.worker_queue) this.#lose('another worker took the session');
  }

  /**
   * Holds a worker. Where its heartbeat is missed, the worker itself is asked: Temporal may have been away, and the worker be alive with
   * its work going on. One that answers holds on.
   */
  async #hold(firstOfferTo: string | undefined): Promise<void> {
    const { context, spec } = this.#input;
    const toAll: SessionOfferOptions = { taskQueue: sessionQueueOf(context.room_id, spec.requirements) };
    let where =
      firstOfferTo === undefined || spec.requirements.worker !== undefined
        ? toAll
        : { taskQueue: sessionQueueOf(context.room_id, { worker: firstOfferTo }), ...ONE_OFFER };
    for (;;) {
      try {
        return await hold(this.#input, this.id, where);
      } catch (failure) {
        if (where !== toAll && this.#worker === undefined && !this.#ending) {
          where = toAll; // the one that was asked first did not take it
          continue;
        }
        const missed = missedHeartbeat(failure);
        if (missed === undefined || this.#worker === undefined || this.#ending) throw failure;
        const silentMs = Date.now() - this.#openedAtMs - missed.ageMs;
        const scheduleToStartTimeout = silentMs > AWAY_FROM_MS ? BACK_WITHIN : DEAD_OR_ALIVE_WITHIN;
        log.info('the heartbeat of the worker was missed', { worker: this.#worker.worker, silentMs });
        where = { taskQueue: workerSessionQueue(this.#worker.worker_queue), scheduleToStartTimeout };
      }
    }
  }

  /** Waits for a worker. @throws WorkerLost; CancelledFailure */
  async opened(): Promise<SessionWorker> {
    await condition(() => this.#worker !== undefined || this.#lost !== undefined);
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#worker === undefined) throw new WorkerLost('no worker');
    return sessionWorker(this.#worker);
  }

  /** Runs the body in a scope that ends with the worker. @throws WorkerLost; what the body throws */
  async run<T>(body: () => Promise<T>): Promise<T> {
    if (this.#lost !== undefined) throw this.#lost;
    this.#onWorker = new CancellationScope({ cancellable: true });
    try {
      return await this.#onWorker.run(body);
    } catch (error) {
      if (workerIsUseless(error)) this.#lose(fromFailure(error).message);
      throw this.#lost ?? error;
    }
  }

  /** Frees the slot, also when the workflow is cancelled; where the worker is dead, it is left to the server to notice. */
  async end(): Promise<void> {
    this.#ending = true;
    const worker = this.#worker;
    await CancellationScope.nonCancellable(async () => {
      try {
        if (worker !== undefined && this.#lost === undefined) {
          this.#onWorker = new CancellationScope({ cancellable: true });
          await this.#onWorker.run(() => endSession(worker, this.#input.spec.job_id));
        } else {
          this.#sessionScope.cancel();
        }
      } catch (failure) {
        log.warn('the session could not be ended on its worker', { cause: fromFailure(failure).message });
        this.#sessionScope.cancel();
      }
      await this.#held;
    });
  }

  #lose(reason: string, evicted = false): void {
    this.#lost ??= new WorkerLost(reason, evicted);
    this.#onWorker?.cancel();
  }
}

interface SessionOfferOptions extends Pick<ActivityOptions, 'taskQueue' | 'scheduleToStartTimeout'> {
  /** Default: as many as it takes. */
  attempts?: number;
}

/** How long a worker that has the model at hand is waited for before any other may take the job; it is free, so it takes ms. */
const ONE_OFFER = { scheduleToStartTimeout: '2500ms', attempts: 1 } as const;

/** The hold itself: over when the session is ended, or the worker. */
function hold(
  { spec, context }: JobInput,
  sessionId: string,
  { attempts, ...where }: SessionOfferOptions,
): Promise<void> {
  const { runGpuSession } = proxyActivities<SessionActivities>({
    ...where,
    summary: `hold a GPU for ${spec.name}`,
    heartbeatTimeout: HEARTBEAT_WITHIN,
    startToCloseTimeout: '30 days',
    // A dead worker would never confirm.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    priority: queuePriority(context.user_id, spec.priority),
    // The server retries what happens before a session has opened: a busy GPU, a signal that could not be sent. Of an
    // opened one the workflow must know that it ended, so a dead or leaving worker is never retried.
    retry: {
      initialInterval: '500ms',
      backoffCoefficient: 2,
      maximumInterval: '5s',
      ...(attempts === undefined ? {} : { maximumAttempts: attempts }),
      nonRetryableErrorTypes: ['TemporalTimeout:Heartbeat', 'WORKER_LOST', 'WorkerShutdown'],
    },
  });
  return runGpuSession({
    session_id: sessionId,
    room_id: context.room_id,
    job_id: spec.job_id,
    requirements: spec.requirements,
    workflow_id: workflowInfo().workflowId,
  });
}

/** The missed heartbeat that an activity failed with, and how old the hold was at the last one that came; else undefined. */
function missedHeartbeat(failure: unknown): { ageMs: number } | undefined {
  if (!(failure instanceof ActivityFailure) || !(failure.cause instanceof TimeoutFailure)) return undefined;
  const { timeoutType, lastHeartbeatDetails } = failure.cause;
  if (timeoutType !== 'HEARTBEAT') return undefined;
  return { ageMs: typeof lastHeartbeatDetails === 'number' ? lastHeartbeatDetails : 0 };
}

/**
 * The worker's queue is not polled any more, or an activity's heartbeat was missed: it died before the hold noticed. Or it lives,
 * and its GPU does not.
 */
function workerIsUseless(error: unknown): boolean {
  if (!(error instanceof ActivityFailure)) return false;
  const { cause } = error;
  if (cause instanceof ApplicationFailure) return cause.type === 'GPU_BROKEN';
  return (
    cause instanceof TimeoutFailure && (cause.timeoutType === 'SCHEDULE_TO_START' || cause.timeoutType === 'HEARTBEAT')
  );
}

/** A hold that its own worker has ended, since it has to go; one whose heartbeat is missed fails otherwise. */
function isEviction(failure: unknown): boolean {
  return (
    failure instanceof ActivityFailure &&
    failure.cause instanceof ApplicationFailure &&
    failure.cause.type === 'WORKER_LOST'
  );
}

function tooManyLosses(losses: number, cause: Error): SleapRtcError {
  return new SleapRtcError('WORKER_LOST', `${losses} workers went away while they had this job.`, {
    cause,
    remedy: 'Look at the workers’ logs: this job may need more memory than they have.',
  });
}
