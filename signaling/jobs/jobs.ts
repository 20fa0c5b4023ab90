import type { JobContext, JobRequirements, JobSpec, JobStatus } from '../../protocol/jobs/job.ts';
import type { JobAction } from '../../protocol/jobs/job-action.ts';

/** A job as the workflow engine reports it. */
export interface ReportedJob {
  status: JobStatus;
  requirements: JobRequirements;
  /** The GPU session that the job has now. A secret between the workflow, its worker and this server. */
  sessionId: string | null;
  /** False if only the engine's records could be read: their phase may lag behind, and worker and models are missing. */
  complete: boolean;
}

/**
 * The room's jobs. Every method names the room, so a room's token gives access to that room's jobs only.
 * All reject with SleapRtcError TEMPORAL_UNREACHABLE, within seconds, if the workflow engine is unavailable.
 */
export interface Jobs {
  /** Starts a job, or finds the one with this id. Rejects with USAGE if that one is another job. */
  start(spec: JobSpec, context: JobContext): Promise<ReportedJob>;
  /**
   * A job's present status. Rejects with JOB_NOT_FOUND.
   * @param options `recordOnly` if the answer must come at once: then only the engine's records are read
   */
  read(roomId: string, jobId: string, options?: { recordOnly: boolean }): Promise<ReportedJob>;
  /** Resolves when the job has ended, when `waitMs` is over, or when `signal` aborts. */
  untilEnd(roomId: string, jobId: string, options: { waitMs: number; signal: AbortSignal }): Promise<void>;
  /** The newest jobs first, at most 100. */
  list(roomId: string): Promise<JobStatus[]>;
  /** The jobs that have not ended, at most 1000, from the engine's records only. */
  active(roomId: string): Promise<ReportedJob[]>;
  /** How many jobs of the room have not ended, and how many of those this user has submitted. May lag behind by a second. */
  countActive(roomId: string, userId: string): Promise<{ inRoom: number; ofUser: number }>;
  /**
   * Sends a job an action, and resolves once the job has accepted it. Rejects with JOB_NOT_FOUND; JOB_ACTION_REFUSED, with the
   * reason, if the job cannot do it or has ended; CONTROL_UNAVAILABLE if the job did not answer in time: then the action is not
   * accepted yet.
   * @param requestId a repeated call with the same id carries out the action only once, and has the same answer
   */
  control(roomId: string, jobId: string, action: JobAction, requestId: string): Promise<ReportedJob>;
  /** Rooms in which a job has not ended. */
  runningRooms(): Promise<string[]>;
  /** The job's page in the Temporal UI; null if no UI is configured. */
  uiUrl(roomId: string, jobId: string): string | null;
}
