import {
  ActivityCancellationType,
  ActivityFailure,
  type ActivityOptions,
  log,
  proxyActivities,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { GpuSessionOpened, RunGpuSessionInput, SessionActivities } from '../../activities/contract.ts';
import type { JobInput } from '../../protocol/jobs/job.ts';
import { queuePriority, workerSessionQueue } from '../../protocol/temporal/queues.ts';
import { sessionQueueOf } from '../../protocol/temporal/session-queues.ts';
import { HEARTBEAT_TIMEOUT } from './activity-options.ts';

/** After more than this without a heartbeat, in ms, it is Temporal that was unavailable: a worker's death is noticed sooner. */
const UNAVAILABLE_FROM_MS = 12_000;
/** How long the worker of a missed heartbeat may take to answer, if nothing else indicates that it is alive. */
const DEAD_OR_ALIVE_TIMEOUT = '3s';
/** After Temporal was unavailable, a worker may take so long to find it again: its polls are up to 10 s apart. */
const BACK_TIMEOUT = '30s';

/** A session as far as its activity must know it. */
export interface SessionState {
  readonly id: string;
  /** The worker that has opened the session. */
  readonly opened: GpuSessionOpened | undefined;
  readonly openedAtMs: number;
  readonly isEnding: boolean;
}

interface Offer extends Pick<ActivityOptions, 'taskQueue' | 'scheduleToStartTimeout'> {
  /** Default: no limit. */
  attempts?: number;
}

/** How long a free worker that has the job's data or models may take to accept, before the job is offered to all others. */
const FIRST_OFFER = { scheduleToStartTimeout: '2500ms', attempts: 1 } as const;

/**
 * Runs the activity that is the session: it lasts until the session is ended, or the worker. If its heartbeat is missed, the
 * worker itself is asked: Temporal may have been unavailable while the worker went on. If the worker answers, the session goes on.
 */
export async function runSession(
  input: JobInput,
  session: SessionState,
  { firstOfferTo, ...conditions }: SessionOffer,
): Promise<void> {
  const { context, spec } = input;
  const toAll: Offer = { taskQueue: sessionQueueOf(context.room_id, spec.requirements) };
  let offer: Offer =
    firstOfferTo === undefined || spec.requirements.worker !== undefined
      ? toAll
      : { taskQueue: sessionQueueOf(context.room_id, { worker: firstOfferTo }), ...FIRST_OFFER };
  for (;;) {
    try {
      return await runOn(offer, input, session.id, session.opened === undefined ? conditions : {});
    } catch (failure) {
      if (offer !== toAll && session.opened === undefined && !session.isEnding) {
        offer = toAll; // the worker that was asked first did not accept
        continue;
      }
      const missed = missedHeartbeat(failure);
      if (missed === undefined || session.opened === undefined || session.isEnding) throw failure;
      const silentMs = Date.now() - session.openedAtMs - missed.ageMs;
      const scheduleToStartTimeout = silentMs > UNAVAILABLE_FROM_MS ? BACK_TIMEOUT : DEAD_OR_ALIVE_TIMEOUT;
      log.info('the heartbeat of the worker was missed', { worker: session.opened.worker, silentMs });
      offer = { taskQueue: workerSessionQueue(session.opened.worker_queue), scheduleToStartTimeout };
    }
  }
}

/** How a session is offered to workers. */
export interface SessionOffer extends Pick<RunGpuSessionInput, 'avoid' | 'needs_researcher'> {
  /** A worker that is asked before the others. */
  firstOfferTo?: string | undefined;
}

function runOn(
  { attempts, ...offer }: Offer,
  { spec, context }: JobInput,
  sessionId: string,
  conditions: Omit<SessionOffer, 'firstOfferTo'>,
): Promise<void> {
  const { runGpuSession } = proxyActivities<SessionActivities>({
    ...offer,
    summary: `reserve a GPU for ${spec.name}`,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    startToCloseTimeout: '30 days',
    // A dead worker would never confirm.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    priority: queuePriority(context.user_id, spec.priority),
    // The server retries what happens before a session has opened: a busy GPU, a signal that could not be sent. The workflow
    // must know when an open session ended, so a worker that dies or shuts down is never retried.
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
    ...conditions,
  });
}

/** The missed heartbeat with which an activity failed, and the session's age at its last heartbeat; undefined for other failures. */
function missedHeartbeat(failure: unknown): { ageMs: number } | undefined {
  if (!(failure instanceof ActivityFailure) || !(failure.cause instanceof TimeoutFailure)) return undefined;
  const { timeoutType, lastHeartbeatDetails } = failure.cause;
  if (timeoutType !== 'HEARTBEAT') return undefined;
  return { ageMs: typeof lastHeartbeatDetails === 'number' ? lastHeartbeatDetails : 0 };
}
