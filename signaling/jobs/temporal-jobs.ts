import {
  WorkflowExecutionAlreadyStartedError,
  type WorkflowExecutionDescription,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { SleapRtcError } from '../../protocol/errors.ts';
import { describeError, fromFailure } from '../../protocol/failures.ts';
import { JobId, RoomId } from '../../protocol/ids.ts';
import { isFinal, type JobInput, JobStatus } from '../../protocol/job.ts';
import type { JobAction } from '../../protocol/job-action.ts';
import { endedAlready } from '../../protocol/job-refusals.ts';
import { DEFAULT_PRIORITY, jobWorkflowId } from '../../protocol/queues.ts';
import { jobMemo, readJobMemo, statusFromRecord } from './job-record.ts';
import type { Jobs } from './jobs.ts';
import { startOptions, WORKFLOW_TYPES } from './start-options.ts';
import type { Temporal } from './temporal.ts';
import { untilPrepared } from './until-prepared.ts';

/** How long the workflow itself may take to say how it stands; it cannot while no control worker runs. */
const QUERY_MS = 2500;
/** How long a job may take to accept an action; it cannot while no control worker runs. A person waits behind it. */
const CONTROL_TIMEOUT_MS = 5000;
/** Jobs listed at most. */
const MAX_LISTED = 100;
/** Waiting jobs that are looked through for a place in line at most. */
const MAX_QUEUED = 1000;
/** Rooms kept open by their jobs at most. */
const MAX_RUNNING = 10_000;

const OUR_TYPES = Object.values(WORKFLOW_TYPES)
  .map((type) => `'${type}'`)
  .join(', ');

/** Jobs as Temporal workflows. */
export function createTemporalJobs(temporal: Temporal, options: { namespace: string; uiUrl: string | null }): Jobs {
  const { workflow } = temporal.client;
  const handleOf = (roomId: string, jobId: string) => workflow.getHandle(jobWorkflowId(roomId, jobId));

  async function describe(roomId: string, jobId: string): Promise<WorkflowExecutionDescription> {
    try {
      return await temporal.call(() => handleOf(roomId, jobId).describe());
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw new SleapRtcError('JOB_NOT_FOUND', `The room ${roomId} has no job ${jobId}.`);
    }
  }

  /** What the workflow itself says; undefined where nobody can ask it now. */
  async function query(workflowId: string): Promise<JobStatus | undefined> {
    try {
      const handle = workflow.getHandle(workflowId);
      return JobStatus.parse(await temporal.call(() => handle.query('jobStatus'), QUERY_MS));
    } catch {
      return undefined;
    }
  }

  /** A closed workflow's result, or why it has none. */
  async function outcome(
    workflowId: string,
  ): Promise<{ result: unknown } | { failure: NonNullable<JobStatus['error']> }> {
    try {
      return { result: await temporal.call(() => workflow.getHandle(workflowId).result()) };
    } catch (error) {
      if (error instanceof WorkflowFailedError) return { failure: describeError(fromFailure(error)) };
      throw error;
    }
  }

  async function statusOf(info: WorkflowExecutionDescription): Promise<JobStatus> {
    const record = statusFromRecord(info);
    if (record === undefined) throw new SleapRtcError('JOB_NOT_FOUND', 'There is no such job.');
    if (!isFinal(record.phase)) return (await query(info.workflowId)) ?? record;
    const end = await outcome(info.workflowId);
    if ('result' in end) return JobStatus.safeParse(end.result).data ?? (await query(info.workflowId)) ?? record;
    // Models that were published before the end are known to the workflow only.
    const told = (await query(info.workflowId)) ?? record;
    return { ...told, phase: record.phase, detail: end.failure.message, error: end.failure };
  }

  /** Executes the Update by which a job accepts or refuses an action. */
  async function askJob(roomId: string, jobId: string, action: JobAction, updateId: string): Promise<void> {
    try {
      await handleOf(roomId, jobId).executeUpdate('controlJob', { args: [{ action }], updateId });
    } catch (error) {
      if (error instanceof WorkflowUpdateFailedError) throw fromFailure(error);
      if (error instanceof WorkflowNotFoundError) throw endedAlready(await statusOf(await describe(roomId, jobId)));
      if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
      const sentence = `Job ${jobId} has not accepted \`${action}\` yet: no control worker has answered.`;
      throw new SleapRtcError('CONTROL_UNAVAILABLE', sentence);
    }
  }

  return {
    async start(spec, context) {
      const input: JobInput = { spec, context };
      try {
        await untilPrepared(() =>
          temporal.call(() =>
            workflow.start(WORKFLOW_TYPES[spec.kind], { ...startOptions(spec, context), args: [input] }),
          ),
        );
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      }
      const info = await describe(context.room_id, spec.job_id);
      if (readJobMemo(info)?.spec_sha256 !== jobMemo(spec, context).spec_sha256) {
        throw new SleapRtcError('USAGE', `The room has another job with the id ${spec.job_id}.`);
      }
      // A job that has just begun is not asked: its first answer would take longer than its start.
      return info.status.name === 'RUNNING' ? (statusFromRecord(info) ?? statusOf(info)) : statusOf(info);
    },

    async status(roomId, jobId, { waitMs = 0, signal = new AbortController().signal } = {}) {
      const info = await describe(roomId, jobId);
      if (waitMs === 0 || info.status.name !== 'RUNNING') return statusOf(info);
      await temporal.wait(() => outcomeQuietly(handleOf(roomId, jobId)), waitMs, signal);
      const after = await describe(roomId, jobId);
      // Who no longer waits is not worth the time that asking the workflow may take.
      return (signal.aborted ? statusFromRecord(after) : undefined) ?? statusOf(after);
    },

    async list(roomId) {
      const listed = await temporal.call(() =>
        collect(
          workflow.list({ query: `SleapRoom = '${RoomId.parse(roomId)}' AND WorkflowType IN (${OUR_TYPES})` }),
          MAX_LISTED,
        ),
      );
      const jobs = await Promise.all(
        listed.map(async (info) => {
          const record = statusFromRecord(info);
          if (record?.phase !== 'failed') return record;
          const end = await outcome(info.workflowId);
          return 'failure' in end ? { ...record, detail: end.failure.message, error: end.failure } : record;
        }),
      );
      return jobs.filter((job) => job !== undefined).sort((a, b) => b.submitted_at.localeCompare(a.submitted_at));
    },

    async queued(roomId) {
      const room = `SleapRoom = '${RoomId.parse(roomId)}' AND WorkflowType IN (${OUR_TYPES})`;
      const query = `${room} AND ExecutionStatus = 'Running' AND SleapPhase = 'queued'`;
      const listed = await temporal.call(() => collect(workflow.list({ query }), MAX_QUEUED));
      return listed.flatMap((info) => {
        const memo = readJobMemo(info);
        return memo === undefined
          ? []
          : [{ ...memo.job, priority: memo.job.priority ?? DEFAULT_PRIORITY, requirements: memo.requirements }];
      });
    },

    async control(roomId, jobId, action, requestId) {
      await describe(roomId, jobId);
      await temporal.call(() => askJob(roomId, jobId, action, requestId), CONTROL_TIMEOUT_MS);
      return statusOf(await describe(roomId, jobId));
    },

    async runningRooms() {
      const running = await temporal.call(() =>
        collect(
          workflow.list({ query: `WorkflowType IN (${OUR_TYPES}) AND ExecutionStatus = 'Running'` }),
          MAX_RUNNING,
        ),
      );
      const rooms = running.map(({ searchAttributes }) => RoomId.safeParse(searchAttributes.SleapRoom?.[0]).data);
      return [...new Set(rooms.filter((room) => room !== undefined))];
    },

    uiUrl(roomId, jobId) {
      if (options.uiUrl === null) return null;
      const workflowId = encodeURIComponent(jobWorkflowId(roomId, JobId.parse(jobId)));
      return `${options.uiUrl}/namespaces/${options.namespace}/workflows/${workflowId}`;
    },
  };
}

/** Waits for a workflow's end, however it ends. */
async function outcomeQuietly(handle: { result(): Promise<unknown> }): Promise<void> {
  try {
    await handle.result();
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
  }
}

async function collect<T>(items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) {
    collected.push(item);
    if (collected.length === limit) break;
  }
  return collected;
}
