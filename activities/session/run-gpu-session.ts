import { once } from 'node:events';
import { Context } from '@temporalio/activity';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Logger } from 'pino';
import { SleapRtcError } from '../../protocol/errors.ts';
import { unmetRequirement, type WorkerOffer } from '../../protocol/session-queues.ts';
import type { GpuSessionOpened, RunGpuSessionInput } from '../contract.ts';
import { heartbeatWith } from '../heartbeat-details.ts';
import { isOrphaned, ORPHAN_GRACE_MS } from '../orphaned.ts';

/** What of the worker's GPU slot a session needs. */
export interface SessionSlot {
  acquire(sessionId: string, jobId: string): SessionLease;
  end(sessionId: string, signal: AbortSignal): Promise<void>;
  hasEnded(sessionId: string): boolean;
}

/** The slot, as held by one attempt of a session's activity. */
export interface SessionLease {
  readonly ended: AbortSignal;
  readonly takenOver: AbortSignal;
  release(): void;
}

export interface SessionDeps {
  slot: SessionSlot;
  client: Client;
  worker: WorkerOffer;
  workerQueue: string;
  logger: Logger;
  /** Aborted when the worker is told to end: its session is handed over once `whenQuiet`. */
  leaving: AbortSignal;
  /** Resolves when nothing of the job runs on the worker any more. */
  whenQuiet: (signal: AbortSignal) => Promise<void>;
  /** Called when a session has ended, however it ended; frees what the job left on the worker. */
  onSessionEnded: (jobId: string) => Promise<void>;
}

/**
 * Holds the worker's GPU for one job until `endGpuSession`, cancellation or the worker's end, and tells the workflow which
 * queue is this worker's own. This is the creation activity of the Session in Temporal's Go SDK.
 * @throws SleapRtcError GPU_BUSY where the slot was just taken by a session of another queue, WORKER_UNFIT where the job asks
 *   for more than its queue's class says and than this worker has; WORKER_LOST where the worker has to go: the job's work has
 *   stopped then, so that another worker may begin at once
 *
 * An attempt that Temporal has forgotten, since it was away itself, keeps the GPU for the next one for a while.
 */
export function createRunGpuSession(deps: SessionDeps) {
  const { slot, client, worker, workerQueue, leaving, whenQuiet, onSessionEnded, logger } = deps;
  return async function runGpuSession(input: RunGpuSessionInput): Promise<void> {
    const context = Context.current();
    // Temporal was away, and the worker hears that it shall hold on only when the job has come to its end and has ended the session.
    if (slot.hasEnded(input.session_id)) return;
    const unmet = unmetRequirement(input.requirements, worker);
    if (unmet !== undefined) throw new SleapRtcError('WORKER_UNFIT', unmet);
    const lease = slot.acquire(input.session_id, input.job_id);
    logger.info({ event: 'session_opened', job: input.job_id, session: input.session_id });
    const sinceMs = performance.now();
    // The age tells the workflow for how long nothing was heard, by whosever clock.
    heartbeatWith(() => Math.round(performance.now() - sinceMs));
    let goesOn = false;
    try {
      const opened: GpuSessionOpened = { session_id: input.session_id, worker: worker.name, worker_queue: workerQueue };
      await client.workflow.getHandle(input.workflow_id).signal('gpuSessionOpened', opened);
      await ended([lease.ended, leaving], context.cancelled);
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
      // What cannot be cleared away must not keep the GPU from the next job.
      await onSessionEnded(input.job_id).catch((error: unknown) =>
        logger.error({ event: 'session_not_cleared', job: input.job_id, err: error }),
      );
      logger.info({ event: 'session_ended', job: input.job_id, session: input.session_id });
      lease.release();
    }
  };
}

/** Whether the workflow still runs; one that cannot be asked now is supposed to. */
async function isWanted(client: Client, { info: { workflowExecution } }: Context): Promise<boolean> {
  if (workflowExecution === undefined) return false;
  const { workflowId, runId } = workflowExecution;
  const described = client.workflow.getHandle(workflowId, runId).describe();
  return described.then(
    ({ status }) => status.name === 'RUNNING',
    (error: unknown) => !(error instanceof WorkflowNotFoundError),
  );
}

/** Waits for the session to come again: true when it has; false where it was ended, or nobody came. */
async function isTakenOver({ takenOver, ended }: SessionLease): Promise<boolean> {
  const any = AbortSignal.any([takenOver, ended, AbortSignal.timeout(ORPHAN_GRACE_MS)]);
  if (!any.aborted) await once(any, 'abort');
  return takenOver.aborted;
}

/** Resolves when the session is ended or has to be; rejects when the activity is cancelled. */
function ended(signals: AbortSignal[], cancelled: Promise<never>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const any = AbortSignal.any(signals);
  if (any.aborted) resolve();
  any.addEventListener('abort', () => resolve(), { once: true });
  return Promise.race([promise, cancelled]);
}
