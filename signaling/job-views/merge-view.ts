import type { JobStatus } from '../../protocol/jobs/job.ts';
import { isFinal } from '../../protocol/jobs/job.ts';
import type { JobView, Waiting, WorkerProgress } from '../../protocol/jobs/job-view.ts';

/** Progress that a worker has reported of a job whose session it has. */
export interface AcceptedProgress extends Omit<WorkerProgress, 'phase' | 'staging'> {
  phase: NonNullable<WorkerProgress['phase']>;
  worker: string;
  /** Undefined for progress that was restored from a backup. */
  sessionId: string | undefined;
}

/** Everything that the server knows of one job. */
export interface JobFacts {
  status: JobStatus;
  /** The session that the job has by this status. */
  sessionId: string | null;
  progress: AcceptedProgress | undefined;
  /** True if the progress was received after the status was asked for. */
  progressIsNewer: boolean;
  /** True once a worker of the job has reported that the data is in the room's storage. */
  staged: boolean;
  waiting: Waiting | undefined;
  uiUrl: string | null;
  outdated: boolean;
}

/**
 * Merges what Temporal and the worker say of a job:
 *
 * 1. How a job ended is Temporal's decision.
 * 2. Progress counts only for the session that the job has now: a worker that was lost, or that a pause has freed, no longer does.
 * 3. Within a session the newer of the two decides the phase. A workflow enters a phase before its worker begins it, so an
 *    answer of Temporal is never behind a report that came before the question.
 * 4. Bytes, epochs and frames are those of the phase that they were reported in.
 */
export function mergeView(facts: JobFacts): JobView {
  const { status, staged, waiting, uiUrl, outdated } = facts;
  const view: JobView = {
    ...status,
    ...(staged && status.staging !== 'off' ? { staging: 'staged' } : {}),
    temporal_ui_url: uiUrl,
    ...(outdated ? { outdated } : {}),
  };
  if (isFinal(status.phase)) return view;
  const progress = isOfSession(facts) ? facts.progress : undefined;
  const merged = progress === undefined ? view : { ...view, ...withProgress(facts, progress) };
  return merged.phase === 'queued' && waiting !== undefined ? { ...merged, waiting } : merged;
}

function isOfSession({ progress, sessionId, status }: JobFacts): boolean {
  if (progress === undefined) return false;
  return progress.sessionId === undefined ? progress.worker === status.worker : progress.sessionId === sessionId;
}

function withProgress({ status, progressIsNewer }: JobFacts, progress: AcceptedProgress): Partial<JobView> {
  const phase = progressIsNewer ? progress.phase : status.phase;
  if (phase !== progress.phase) return {};
  const { worker, detail = status.detail, transfer, epoch, frames } = progress;
  return {
    phase,
    worker,
    detail,
    ...(transfer === undefined ? {} : { transfer }),
    ...(epoch === undefined ? {} : { epoch }),
    ...(frames === undefined ? {} : { frames }),
  };
}
