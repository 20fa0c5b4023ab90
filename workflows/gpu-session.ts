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
  patched,
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
import { podSessionQueue, queueOrder } from '../protocol/queues.ts';
import { sessionQueueOf } from '../protocol/session-queues.ts';
import type { JobReport } from './job-report.ts';
import { Paused, type Pauses } from './pause.ts';
import { endSession, HEARTBEAT_WITHIN, type Pod, podOf } from './pod.ts';

/** A pod's answer to `holdGpuSession`. */
export const gpuSessionOpenedSignal = defineSignal<[GpuSessionOpened]>('gpuSessionOpened');

/** In their histories, jobs of earlier releases do not cancel a hold whose answer came late. */
const LATE_HOLD = 'late-hold-is-cancelled';

/** A job that has outlived this many pods may be what kills them; those that had to go and said so do not count. */
const MAX_POD_LOSSES = 5;
/** More than this without a heartbeat, in ms, and it is Temporal that was away: a pod's death is noticed sooner. */
const AWAY_FROM_MS = 12_000;
/** How long the pod of a missed heartbeat may take to answer, as long as nothing else speaks for its life. */
const DEAD_OR_ALIVE_WITHIN = '3s';
/** After Temporal was away, a worker may take so long to find it again: its polls are up to 10 s apart. */
const BACK_WITHIN = '30s';

/**
 * Runs `fn` with a pod whose only GPU slot is this job's, and frees the slot at the end, however that comes about.
 *
 * A session is a heartbeating activity on a shared queue that tells the workflow the pod's own queue. Where the pod dies,
 * the heartbeat is missed within seconds: everything that `fn` has under way is cancelled, and `fn` runs anew with another
 * pod. What must survive a pod is kept outside of `fn`. If `fn` comes to a result in spite of the loss, that counts.
 * A job that can be paused gives its pod back meanwhile, and `fn` runs anew when it is resumed.
 * @throws what `fn` throws; SleapRtcError POD_LOST after too many pods
 */
export async function withGpuSession<T>(
  input: JobInput,
  report: JobReport,
  fn: (pod: Pod) => Promise<T>,
  pauses?: Pauses,
): Promise<T> {
  let session: GpuSession | undefined;
  setHandler(gpuSessionOpenedSignal, (opened) => session?.open(opened));

  let firstOfferTo = input.context.first_offer_to;
  let losses = 0;
  for (let before: PodLost | undefined; ; ) {
    await pauses?.over();
    const here = new GpuSession(input, firstOfferTo);
    session = here;
    const onOnePod = async () => {
      const pod = await here.opened();
      firstOfferTo = pod.worker; // a pause leaves the data there
      report.onWorker(pod.worker);
      return here.run(() => fn(pod));
    };
    try {
      report.onWorker(null);
      report.enter(
        'queued',
        before === undefined ? waitingFor(input) : `${waitingFor(input)}; the one before went away`,
      );
      return await (pauses === undefined ? onOnePod() : pauses.whilePausable(onOnePod));
    } catch (error) {
      if (error instanceof Paused) continue;
      if (!(error instanceof PodLost)) throw error;
      if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('The job was cancelled.');
      before = error;
      if (!error.evicted) losses += 1;
      firstOfferTo = undefined; // it may be the one that is lost
      log.warn('pod lost', { losses, evicted: error.evicted, cause: error.message });
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

/** Thrown inside this file only: the session's pod is gone, another may do. */
class PodLost extends Error {
  /** True where the pod had to go, and said so: that is none of the job's doing. */
  readonly evicted: boolean;

  constructor(message: string, evicted = false) {
    super(message);
    this.evicted = evicted;
  }
}

/** One hold of one pod. `end` must be called, whatever happens. */
class GpuSession {
  readonly #input: JobInput;
  readonly #id = uuid4();
  readonly #holdScope: CancellationScope;
  /** Resolves when the hold has ended, however it ended. */
  readonly #held: Promise<void>;
  #pod: GpuSessionOpened | undefined;
  #lost: PodLost | undefined;
  #ending = false;
  #openedAtMs = 0;
  /** What must stop when the pod is lost: the body, later the end. */
  #onPod: CancellationScope | undefined;

  /** @param firstOfferTo a worker that is asked before the others */
  constructor(input: JobInput, firstOfferTo: string | undefined) {
    this.#input = input;
    // The hold must outlive a cancellation of the job until what runs on the pod has stopped, so it hangs below a scope
    // that cancellation does not reach; `end` is its only owner.
    const shield = new CancellationScope({ cancellable: false });
    this.#holdScope = new CancellationScope({ cancellable: true, parent: shield });
    this.#held = this.#holdScope
      .run(() => this.#hold(firstOfferTo))
      .then(
        () => this.#ending || this.#lose('the worker ended the session'),
        (failure: unknown) => this.#lose(fromFailure(failure).message, this.#pod !== undefined && saysGoodbye(failure)),
      )
      .then(() => undefined);
  }

  /** The signal's handler; a late signal of an earlier session is ignored. */
  open(opened: GpuSessionOpened): void {
    if (opened.session_id !== this.#id) return;
    if (this.#ending) {
      // A hold that Temporal could hand out only now is one that nobody would end: the session has been ended, or is being.
      if (patched(LATE_HOLD)) this.#holdScope.cancel();
      return;
    }
    this.#openedAtMs = Date.now();
    if (this.#pod === undefined) this.#pod = opened;
    // A second pod answers only where the first was lost and the server has retried the hold.
    else if (this.#pod.pod_queue !== opened.pod_queue) this.#lose('another worker took the session');
  }

  /**
   * Holds a pod. Where its heartbeat is missed, the pod itself is asked: Temporal may have been away, and the pod be alive with
   * its work going on. One that answers holds on.
   */
  async #hold(firstOfferTo: string | undefined): Promise<void> {
    const { context, spec } = this.#input;
    const toAll: HoldOptions = { taskQueue: sessionQueueOf(context.room_id, spec.requirements) };
    let where =
      firstOfferTo === undefined || spec.requirements.worker !== undefined
        ? toAll
        : { taskQueue: sessionQueueOf(context.room_id, { worker: firstOfferTo }), ...ONE_OFFER };
    for (;;) {
      try {
        return await hold(this.#input, this.#id, where);
      } catch (failure) {
        if (where !== toAll && this.#pod === undefined && !this.#ending) {
          where = toAll; // the one that was asked first did not take it
          continue;
        }
        const missed = missedHeartbeat(failure);
        if (missed === undefined || this.#pod === undefined || this.#ending) throw failure;
        const silentMs = Date.now() - this.#openedAtMs - missed.ageMs;
        const scheduleToStartTimeout = silentMs > AWAY_FROM_MS ? BACK_WITHIN : DEAD_OR_ALIVE_WITHIN;
        log.info('the heartbeat of the pod was missed', { worker: this.#pod.worker, silentMs });
        where = { taskQueue: podSessionQueue(this.#pod.pod_queue), scheduleToStartTimeout };
      }
    }
  }

  /** Waits for a pod. @throws PodLost; CancelledFailure */
  async opened(): Promise<Pod> {
    await condition(() => this.#pod !== undefined || this.#lost !== undefined);
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#pod === undefined) throw new PodLost('no pod');
    return podOf(this.#pod);
  }

  /** Runs the body in a scope that ends with the pod. @throws PodLost; what the body throws */
  async run<T>(body: () => Promise<T>): Promise<T> {
    if (this.#lost !== undefined) throw this.#lost;
    this.#onPod = new CancellationScope({ cancellable: true });
    try {
      return await this.#onPod.run(body);
    } catch (error) {
      if (podIsOfNoUse(error)) this.#lose(fromFailure(error).message);
      throw this.#lost ?? error;
    }
  }

  /** Frees the slot, also when the workflow is cancelled; where the pod is dead, it is left to the server to notice. */
  async end(): Promise<void> {
    this.#ending = true;
    const pod = this.#pod;
    await CancellationScope.nonCancellable(async () => {
      try {
        if (pod !== undefined && this.#lost === undefined) {
          this.#onPod = new CancellationScope({ cancellable: true });
          await this.#onPod.run(() => endSession(pod, this.#input.spec.job_id));
        } else {
          this.#holdScope.cancel();
        }
      } catch (failure) {
        log.warn('the session could not be ended on its pod', { cause: fromFailure(failure).message });
        this.#holdScope.cancel();
      }
      await this.#held;
    });
  }

  #lose(reason: string, evicted = false): void {
    this.#lost ??= new PodLost(reason, evicted);
    this.#onPod?.cancel();
  }
}

interface HoldOptions extends Pick<ActivityOptions, 'taskQueue' | 'scheduleToStartTimeout'> {
  /** Default: as many as it takes. */
  attempts?: number;
}

/** How long a worker that has the model at hand is waited for before any other may take the job; it is free, so it takes ms. */
const ONE_OFFER = { scheduleToStartTimeout: '2500ms', attempts: 1 } as const;

/** The hold itself: over when the session is ended, or the pod. */
function hold({ spec, context }: JobInput, sessionId: string, { attempts, ...where }: HoldOptions): Promise<void> {
  const { holdGpuSession } = proxyActivities<SessionActivities>({
    ...where,
    summary: `hold a GPU for ${spec.name}`,
    heartbeatTimeout: HEARTBEAT_WITHIN,
    startToCloseTimeout: '30 days',
    // A dead pod would never confirm.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    priority: queueOrder(context.user_id, spec.priority),
    // The server retries what happens before a session has opened: a busy GPU, a signal that could not be sent. Of an
    // opened one the workflow must know that it ended, so a dead or leaving pod is never retried.
    retry: {
      initialInterval: '500ms',
      backoffCoefficient: 2,
      maximumInterval: '5s',
      ...(attempts === undefined ? {} : { maximumAttempts: attempts }),
      nonRetryableErrorTypes: ['TemporalTimeout:Heartbeat', 'POD_LOST', 'WorkerShutdown'],
    },
  });
  return holdGpuSession({
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
 * The pod's queue is not polled any more, or an activity's heartbeat was missed: it died before the hold noticed. Or it lives,
 * and its GPU does not.
 */
function podIsOfNoUse(error: unknown): boolean {
  if (!(error instanceof ActivityFailure)) return false;
  const { cause } = error;
  if (cause instanceof ApplicationFailure) return cause.type === 'GPU_BROKEN';
  return (
    cause instanceof TimeoutFailure && (cause.timeoutType === 'SCHEDULE_TO_START' || cause.timeoutType === 'HEARTBEAT')
  );
}

/** A hold that its own pod has ended, since it has to go; one whose heartbeat is missed fails otherwise. */
function saysGoodbye(failure: unknown): boolean {
  return (
    failure instanceof ActivityFailure &&
    failure.cause instanceof ApplicationFailure &&
    failure.cause.type === 'POD_LOST'
  );
}

function tooManyLosses(losses: number, cause: Error): SleapRtcError {
  return new SleapRtcError('POD_LOST', `${losses} workers went away while they had this job.`, {
    cause,
    remedy: 'Look at the workers’ logs: this job may need more memory than they have.',
  });
}
