import { once } from 'node:events';
import { Context } from '@temporalio/activity';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Logger } from 'pino';
import { SleapRtcError } from '../../protocol/errors.ts';
import { unmetRequirement, type WorkerOffer } from '../../protocol/temporal/session-queues.ts';
import type { GpuSessionOpened, RunGpuSessionInput } from '../contract.ts';
import { heartbeatWith } from '../heartbeat-details.ts';
import { isOrphaned, ORPHAN_GRACE_MS } from '../orphaned.ts';

/** How long the room may take to say whether a researcher is online, in milliseconds; meanwhile no other job begins here. */
const ASK_TIMEOUT_MS = 2_000;

/** The part of the worker's GPU slot that a session needs. */
export interface SessionSlot {
  acquire(sessionId: string, jobId: string): SessionLease;
  end(sessionId: string, options: { keepFiles: boolean; signal: AbortSignal }): Promise<void>;
  hasEnded(sessionId: string): boolean;
}

/** The slot, taken by one attempt of a session's activity. */
export interface SessionLease {
  readonly ended: AbortSignal;
  readonly takenOver: AbortSignal;
  /** True if the session was ended with the wish that the job's files stay. */
  readonly keepsFiles: boolean;
  release(): void;
}

export interface SessionDeps {
  slot: SessionSlot;
  client: Client;
  worker: WorkerOffer;
  workerQueue: string;
  logger: Logger;
  /** Aborted when the worker has to shut down: its session is handed over after `whenQuiet`. */
  shutdown: AbortSignal;
  /** Resolves when nothing of the job runs on the worker. */
  whenQuiet: (signal: AbortSignal) => Promise<void>;
  /** Called when a session has ended, however it ended; frees what the job left on the worker. */
  onSessionEnded: (jobId: string, options: { keepFiles: boolean }) => Promise<void>;
  /** Whether the researcher's computer is online with the job's data. @throws if the room cannot be asked */
  isResearcherOnline: (jobId: string, signal: AbortSignal) => Promise<boolean>;
}

/**
 * Reserves the worker's GPU for one job until `endGpuSession`, cancellation or the worker's end, and sends the workflow the
 * name of this worker's own queue. This is the creation activity of the Session in Temporal's Go SDK. An orphaned attempt,
 * which Temporal gave up while it was unavailable, reserves the GPU for the next attempt for a while.
 * @throws SleapRtcError GPU_BUSY if a session of another queue has just taken the slot; WORKER_UNFIT if the job asks for more than
 *   this worker has, or has just had trouble here; RESEARCHER_AWAY if only the researcher has the data, and is offline; WORKER_LOST if the worker has to shut down: the job's work has stopped by then, so that another worker may
 *   begin at once
 */
export function createRunGpuSession(deps: SessionDeps) {
  const { slot, client, worker, workerQueue, shutdown, whenQuiet, onSessionEnded, logger } = deps;
  return async function runGpuSession(input: RunGpuSessionInput): Promise<void> {
    const context = Context.current();
    // Temporal was unavailable, and the request to continue the session arrives after the job has ended it.
    if (slot.hasEnded(input.session_id)) return;
    const unmet = unmetRequirement(input.requirements, worker);
    if (unmet !== undefined) throw new SleapRtcError('WORKER_UNFIT', unmet);
    await throwIfUseless(input, deps, context.cancellationSignal);
    const lease = slot.acquire(input.session_id, input.job_id);
    logger.info({ event: 'session_opened', job: input.job_id });
    const sinceMs = performance.now();
    // From the session's age the workflow computes how long no heartbeat came, without comparing clocks.
    heartbeatWith(() => Math.round(performance.now() - sinceMs));
    let goesOn = false;
    try {
      const opened: GpuSessionOpened = { session_id: input.session_id, worker: worker.name, worker_queue: workerQueue };
      await client.workflow.getHandle(input.workflow_id).signal('gpuSessionOpened', opened);
      await ended([lease.ended, shutdown], context.cancelled);
      if (!lease.ended.aborted) {
        await whenQuiet(context.cancellationSignal);
        throw new SleapRtcError('WORKER_LOST', `${worker.name} is being shut down.`);
      }
    } catch (error) {
      goesOn = isOrphaned(context) && (await isWanted(client, context)) && (await isTakenOver(lease));
      throw error;
    } finally {
      if (!goesOn) await end();
    }

    async function end(): Promise<void> {
      // If files cannot be removed, the next job must still get the GPU.
      await onSessionEnded(input.job_id, { keepFiles: lease.keepsFiles }).catch((error: unknown) =>
        logger.error({ event: 'session_not_cleared', job: input.job_id, err: error }),
      );
      logger.info({ event: 'session_ended', job: input.job_id });
      lease.release();
    }
  };
}

/** @throws SleapRtcError WORKER_UNFIT, RESEARCHER_AWAY if the worker can do nothing for the job now */
async function throwIfUseless(
  { job_id, avoid = [], needs_researcher = false }: RunGpuSessionInput,
  { worker, isResearcherOnline }: SessionDeps,
  signal: AbortSignal,
): Promise<void> {
  if (avoid.some((other) => other.worker === worker.name && Date.now() < other.until_ms))
    throw new SleapRtcError('WORKER_UNFIT', `${worker.name} has just had trouble with this job.`);
  if (!needs_researcher) return;
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]);
  if (await isResearcherOnline(job_id, timeout).catch(() => false)) return;
  throw new SleapRtcError('RESEARCHER_AWAY', 'The computer that has the data is offline.');
}

/** Returns whether the workflow still runs; true if Temporal cannot answer now. */
async function isWanted(client: Client, { info: { workflowExecution } }: Context): Promise<boolean> {
  if (workflowExecution === undefined) return false;
  const { workflowId, runId } = workflowExecution;
  const described = client.workflow.getHandle(workflowId, runId).describe();
  return described.then(
    ({ status }) => status.name === 'RUNNING',
    (error: unknown) => !(error instanceof WorkflowNotFoundError),
  );
}

/** Waits for the session's next attempt. Returns true if it has come, false if the session was ended or none came in time. */
async function isTakenOver({ takenOver, ended }: SessionLease): Promise<boolean> {
  const any = AbortSignal.any([takenOver, ended, AbortSignal.timeout(ORPHAN_GRACE_MS)]);
  if (!any.aborted) await once(any, 'abort');
  return takenOver.aborted;
}

/** Resolves when the session is ended or the worker has to shut down; rejects when the activity is cancelled. */
function ended(signals: AbortSignal[], cancelled: Promise<never>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const any = AbortSignal.any(signals);
  if (any.aborted) resolve();
  any.addEventListener('abort', () => resolve(), { once: true });
  return Promise.race([promise, cancelled]);
}
