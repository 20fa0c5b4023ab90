import {
  isGrpcServiceError,
  type WorkflowClient,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowExecutionDescription,
  type WorkflowExecutionInfo,
  WorkflowFailedError,
  type WorkflowHandle,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { SleapRtcError } from '../../protocol/errors.ts';
import { JobId, RoomId, UserId } from '../../protocol/ids.ts';
import {
  isFinal,
  type JobContext,
  type JobInput,
  type JobSpec,
  JobStatus,
  JobStatusAnswer,
} from '../../protocol/jobs/job.ts';
import type { JobAction } from '../../protocol/jobs/job-action.ts';
import { endedAlready } from '../../protocol/jobs/job-refusals.ts';
import { describeError, fromFailure } from '../../protocol/temporal/failures.ts';
import { jobWorkflowId } from '../../protocol/temporal/queues.ts';
import { MAX_LISTED_JOBS } from '../../protocol/wire/api.ts';
import { MAX_TRACKED_JOBS } from '../../protocol/wire/signaling.ts';
import { jobMemo, readJobMemo, recordedJob } from './job-record.ts';
import type { Jobs, ReportedJob } from './jobs.ts';
import { startOptions, WORKFLOW_TYPES } from './start-options.ts';
import type { Temporal } from './temporal.ts';
import { untilPrepared } from './until-prepared.ts';

/** Timeout of a query, in milliseconds: a workflow cannot answer while no control worker runs. */
const QUERY_TIMEOUT_MS = 2500;
/** Time for a job to accept an action, in ms; it cannot while no control worker runs. A person waits behind it. */
const CONTROL_TIMEOUT_MS = 5000;
/** gRPC status code of a limit that is reached. */
const RESOURCE_EXHAUSTED = 8;
/** Most rooms that stay open because of their jobs. */
const MAX_RUNNING = 10_000;

const OUR_TYPES = Object.values(WORKFLOW_TYPES)
  .map((type) => `'${type}'`)
  .join(', ');

type Outcome = { result: unknown } | { failure: NonNullable<JobStatus['error']> };

/** Jobs as Temporal workflows. */
export class TemporalJobs implements Jobs {
  readonly #temporal: Temporal;
  readonly #options: { namespace: string; uiUrl: string | null };

  constructor(temporal: Temporal, options: { namespace: string; uiUrl: string | null }) {
    this.#temporal = temporal;
    this.#options = options;
  }

  async start(spec: JobSpec, context: JobContext): Promise<ReportedJob> {
    const input: JobInput = { spec, context };
    try {
      await untilPrepared(() =>
        this.#temporal.call(() =>
          this.#workflows.start(WORKFLOW_TYPES[spec.kind], { ...startOptions(spec, context), args: [input] }),
        ),
      );
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    const info = await this.#describe(context.room_id, spec.job_id);
    if (readJobMemo(info)?.spec_sha256 !== jobMemo(spec, context).spec_sha256) {
      throw new SleapRtcError('USAGE', `The room has another job with the id ${spec.job_id}.`);
    }
    // A job that has just started is not queried: its first answer would take longer than its start.
    return info.status.name === 'RUNNING' ? (recordedJob(info) ?? this.#report(info)) : this.#report(info);
  }

  async read(roomId: string, jobId: string, { recordOnly } = { recordOnly: false }): Promise<ReportedJob> {
    const info = await this.#describe(roomId, jobId);
    return (recordOnly ? recordedJob(info) : undefined) ?? this.#report(info);
  }

  async untilEnd(
    roomId: string,
    jobId: string,
    { waitMs, signal }: { waitMs: number; signal: AbortSignal },
  ): Promise<void> {
    const handle = this.#handleOf(roomId, jobId);
    await this.#temporal.wait(() => resultOrFailure(handle), waitMs, signal);
  }

  async list(roomId: string): Promise<JobStatus[]> {
    const listed = await this.#collect(`SleapRoom = '${RoomId.parse(roomId)}'`, MAX_LISTED_JOBS);
    const jobs = await Promise.all(
      listed.map(async (info) => {
        const status = recordedJob(info)?.status;
        if (status?.phase !== 'failed') return status;
        const end = await this.#outcome(info.workflowId);
        return 'failure' in end ? { ...status, detail: end.failure.message, error: end.failure } : status;
      }),
    );
    return jobs.filter((job) => job !== undefined).sort((a, b) => b.submitted_at.localeCompare(a.submitted_at));
  }

  async active(roomId: string): Promise<ReportedJob[]> {
    const running = `SleapRoom = '${RoomId.parse(roomId)}' AND ExecutionStatus = 'Running'`;
    const listed = await this.#collect(running, MAX_TRACKED_JOBS);
    return listed.map(recordedJob).filter((job) => job !== undefined);
  }

  async countActive(roomId: string, userId: string): Promise<{ inRoom: number; ofUser: number }> {
    const running = `SleapRoom = '${RoomId.parse(roomId)}' AND ExecutionStatus = 'Running'`;
    const ofUser = `${running} AND SleapUser = '${UserId.parse(userId)}'`;
    const counts = await untilPrepared(() => Promise.all([this.#count(running), this.#count(ofUser)]));
    return { inRoom: counts[0], ofUser: counts[1] };
  }

  async control(roomId: string, jobId: string, action: JobAction, requestId: string): Promise<ReportedJob> {
    await this.#describe(roomId, jobId);
    await this.#temporal.call(() => this.#askJob(roomId, jobId, action, requestId), CONTROL_TIMEOUT_MS);
    return this.read(roomId, jobId);
  }

  async runningRooms(): Promise<string[]> {
    const running = await this.#collect(`ExecutionStatus = 'Running'`, MAX_RUNNING);
    const rooms = running.map(({ searchAttributes }) => RoomId.safeParse(searchAttributes.SleapRoom?.[0]).data);
    return [...new Set(rooms.filter((room) => room !== undefined))];
  }

  uiUrl(roomId: string, jobId: string): string | null {
    const { uiUrl, namespace } = this.#options;
    if (uiUrl === null) return null;
    return `${uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(jobWorkflowId(roomId, JobId.parse(jobId)))}`;
  }

  get #workflows(): WorkflowClient {
    return this.#temporal.client.workflow;
  }

  #handleOf(roomId: string, jobId: string): WorkflowHandle {
    return this.#workflows.getHandle(jobWorkflowId(roomId, jobId));
  }

  async #describe(roomId: string, jobId: string): Promise<WorkflowExecutionDescription> {
    try {
      return await this.#temporal.call(() => this.#handleOf(roomId, jobId).describe());
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw new SleapRtcError('JOB_NOT_FOUND', `The room ${roomId} has no job ${jobId}.`);
    }
  }

  async #report(info: WorkflowExecutionDescription): Promise<ReportedJob> {
    const record = recordedJob(info);
    if (record === undefined) throw new SleapRtcError('JOB_NOT_FOUND', 'There is no such job.');
    const { phase } = record.status;
    if (!isFinal(phase)) return (await this.#query(info.workflowId, record)) ?? record;
    const end = await this.#outcome(info.workflowId);
    const result = 'result' in end ? JobStatus.safeParse(end.result).data : undefined;
    if (result !== undefined) return { ...record, status: result, complete: true };
    // Models that were published before the end are known to the workflow only.
    const answer = (await this.#query(info.workflowId, record)) ?? record;
    if ('result' in end) return answer;
    return { ...answer, status: { ...answer.status, phase, detail: end.failure.message, error: end.failure } };
  }

  /** What the workflow itself answers; undefined if it cannot now. */
  async #query(workflowId: string, record: ReportedJob): Promise<ReportedJob | undefined> {
    try {
      const handle = this.#workflows.getHandle(workflowId);
      const answer = await this.#temporal.call(() => handle.query('jobStatus'), QUERY_TIMEOUT_MS);
      const { session_id: sessionId, ...status } = JobStatusAnswer.parse(answer);
      return { ...record, status, sessionId, complete: true };
    } catch {
      return undefined;
    }
  }

  /** A closed workflow's result, or why it has none. */
  async #outcome(workflowId: string): Promise<Outcome> {
    try {
      return { result: await this.#temporal.call(() => this.#workflows.getHandle(workflowId).result()) };
    } catch (error) {
      if (error instanceof WorkflowFailedError) return { failure: describeError(fromFailure(error)) };
      throw error;
    }
  }

  /** Executes the Update by which a job accepts or refuses an action. */
  async #askJob(roomId: string, jobId: string, action: JobAction, updateId: string): Promise<void> {
    try {
      await this.#handleOf(roomId, jobId).executeUpdate('controlJob', { args: [{ action }], updateId });
    } catch (error) {
      if (error instanceof WorkflowUpdateFailedError) throw fromFailure(error);
      if (error instanceof WorkflowNotFoundError) throw endedAlready((await this.read(roomId, jobId)).status);
      if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || areTooManyWaiting(error))) throw error;
      const sentence = `Job ${jobId} has not accepted \`${action}\` yet: no control worker has answered.`;
      throw new SleapRtcError('CONTROL_UNAVAILABLE', sentence);
    }
  }

  async #count(condition: string): Promise<number> {
    const query = `${condition} AND WorkflowType IN (${OUR_TYPES})`;
    return (await this.#temporal.call(() => this.#workflows.count(query))).count;
  }

  /** Our workflows that meet a condition. */
  #collect(condition: string, limit: number): Promise<WorkflowExecutionInfo[]> {
    const query = `${condition} AND WorkflowType IN (${OUR_TYPES})`;
    return this.#temporal.call(async () => {
      const collected: WorkflowExecutionInfo[] = [];
      for await (const info of this.#workflows.list({ query })) {
        collected.push(info);
        if (collected.length === limit) break;
      }
      return collected;
    });
  }
}

/** Whether Temporal takes no further Update of the job: while no control worker runs, ten of them may wait. */
function areTooManyWaiting(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return isGrpcServiceError(cause) && cause.code === RESOURCE_EXHAUSTED;
}

/** Resolves when a workflow has ended, whatever its outcome. */
async function resultOrFailure(handle: WorkflowHandle): Promise<void> {
  try {
    await handle.result();
  } catch (error) {
    if (!(error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError)) throw error;
  }
}
