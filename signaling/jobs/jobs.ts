import type { JobContext, JobSpec, JobStatus } from '../../protocol/job.ts';
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
  /** Asks a job to stop; one that has ended stays as it is. Rejects with JOB_NOT_FOUND. */
  cancel(roomId: string, jobId: string): Promise<JobStatus>;
  /**
   * Asks a training job to end the run under way and keep its best model; one that has ended stays as it is.
   * Rejects with JOB_NOT_FOUND; USAGE where the job trains nothing.
   */
  stop(roomId: string, jobId: string): Promise<JobStatus>;
  /**
   * Asks a training job to give its GPU back and wait; one that does not train any more, or has ended, stays as it is.
   * Rejects with JOB_NOT_FOUND; USAGE where the job trains nothing.
   */
  pause(roomId: string, jobId: string): Promise<JobStatus>;
  /** Has a paused job queue again; another stays as it is. Rejects as `pause` does. */
  resume(roomId: string, jobId: string): Promise<JobStatus>;
  /** Rooms in which a job has not ended. */
  runningRooms(): Promise<string[]>;
  /** The job's page in the Temporal UI; null where no UI is configured. */
  uiUrl(roomId: string, jobId: string): string | null;
}
