import type { JobContext, JobSpec, JobStatus } from '../../protocol/job.ts';
import type { JobAction } from '../../protocol/job-action.ts';
import type { QueuedJob } from './waiting.ts';

/**
 * The room's jobs. Every method names the room, so that one room's token reaches no other room's job.
 * All reject with SleapRtcError TEMPORAL_UNREACHABLE, within seconds, where the workflow engine is away.
 */
export interface Jobs {
  /** Starts a job, or finds the one with this id. Rejects with USAGE where that one is another job. */
  start(spec: JobSpec, context: JobContext): Promise<JobStatus>;
  /**
   * How a job stands. Rejects with JOB_NOT_FOUND.
   * @param options `waitMs` waits so long for the job's end first; `signal` ends the waiting
   */
  status(roomId: string, jobId: string, options?: { waitMs?: number; signal?: AbortSignal }): Promise<JobStatus>;
  /** The room's newest jobs first, at most 100. */
  list(roomId: string): Promise<JobStatus[]>;
  /** The room's jobs that wait for a worker. */
  queued(roomId: string): Promise<QueuedJob[]>;
  /**
   * Has a job do something, and resolves with its status once the job has accepted it. Rejects with JOB_NOT_FOUND;
   * JOB_ACTION_REFUSED, with the reason, if the job cannot do it or has ended; CONTROL_UNAVAILABLE if the job did not answer in
   * time: then the action is not accepted yet.
   * @param requestId the same again, and the action is carried out once; the answer is the same too
   */
  control(roomId: string, jobId: string, action: JobAction, requestId: string): Promise<JobStatus>;
  /** Rooms in which a job has not ended. */
  runningRooms(): Promise<string[]>;
  /** The job's page in the Temporal UI; null where no UI is configured. */
  uiUrl(roomId: string, jobId: string): string | null;
}
