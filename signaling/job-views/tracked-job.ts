import { isFinal, type JobRequirements, JobStatus } from '../../protocol/jobs/job.ts';
import { type JobView, type Waiting, WorkerPhase } from '../../protocol/jobs/job-view.ts';
import { DEFAULT_PRIORITY } from '../../protocol/temporal/queues.ts';
import type { ReportedJob } from '../jobs/jobs.ts';
import type { QueuedJob } from '../jobs/waiting.ts';
import { type AcceptedProgress, mergeView } from './merge-view.ts';

/** A job that has not ended, as the server knows it. Times are by `performance.now()`. */
export class TrackedJob {
  readonly jobId: string;
  readonly trackedAt = performance.now();
  /** True once the workflow engine has listed the job as running. One that is no longer listed has ended. */
  wasListed = false;
  readonly #uiUrl: string | null;
  #reported: ReportedJob;
  /** When the workflow engine was asked for `#reported`. */
  #askedAt: number;
  #progress: AcceptedProgress | undefined;
  #progressAt = 0;
  #staged = false;
  #view: JobView;
  waiting: Waiting | undefined;
  /** True while the workflow engine is unavailable. */
  outdated = false;

  constructor(reported: ReportedJob, askedAt: number, uiUrl: string | null) {
    this.jobId = reported.status.job_id;
    this.#reported = reported;
    this.#askedAt = askedAt;
    this.#uiUrl = uiUrl;
    this.#view = this.#merged();
  }

  /** A job from a backup: its view is used until the workflow engine has been asked. */
  static restored(view: JobView): TrackedJob {
    const status = JobStatus.parse(view);
    const reported = { status, requirements: {}, sessionId: null, complete: true };
    const job = new TrackedJob(reported, Number.NEGATIVE_INFINITY, view.temporal_ui_url);
    const { worker, detail, transfer, epoch, frames } = view;
    const phase = WorkerPhase.safeParse(view.phase).data;
    if (worker !== null && phase !== undefined)
      job.#progress = { job_id: view.job_id, phase, worker, detail, transfer, epoch, frames, sessionId: undefined };
    job.#view = job.#merged();
    return job;
  }

  get view(): JobView {
    return this.#view;
  }

  get sessionId(): string | null {
    return this.#reported.sessionId;
  }

  /** Whether the workflow itself has answered; else only the engine's records are known. */
  get isComplete(): boolean {
    return this.#reported.complete;
  }

  /** Milliseconds since the workflow engine was asked, and since the worker reported. */
  ages(now = performance.now()): { askedMs: number; progressMs: number } {
    return { askedMs: now - this.#askedAt, progressMs: now - this.#progressAt };
  }

  /** The job as one that waits for a worker; undefined if it does not. */
  get queued(): QueuedJob | undefined {
    const { job_id, user_id, submitted_at, priority = DEFAULT_PRIORITY, phase } = this.#view;
    return phase === 'queued'
      ? { job_id, user_id, submitted_at, priority, requirements: this.#requirements }
      : undefined;
  }

  get #requirements(): JobRequirements {
    return this.#reported.requirements;
  }

  /** Takes an answer of the workflow engine, unless a newer one is known. */
  reportedBy(reported: ReportedJob, askedAt: number): void {
    if (askedAt < this.#askedAt) return;
    this.#askedAt = askedAt;
    this.outdated = false;
    // Records lag behind what the workflow has said, except on the end.
    const keepsStatus = !reported.complete && this.#reported.complete && !isFinal(reported.status.phase);
    this.#reported = keepsStatus ? { ...this.#reported, requirements: reported.requirements } : reported;
  }

  /** Takes a report of the worker that has the job's session. Returns true if it is about another phase than the last one. */
  progressed(progress: AcceptedProgress | undefined, staged: boolean, at: number): boolean {
    this.#staged ||= staged;
    if (progress === undefined) return false;
    const before = this.#progress;
    this.#progress = progress;
    this.#progressAt = at;
    return before?.phase !== progress.phase || before.sessionId !== progress.sessionId;
  }

  /** Brings the view up to date. Returns undefined if it says the same as before. */
  update(): { isMilestone: boolean } | undefined {
    const [before, after] = [this.#view, this.#merged()];
    if (JSON.stringify(before) === JSON.stringify(after)) return undefined;
    this.#view = after;
    return { isMilestone: isMilestone(before, after) };
  }

  #merged(): JobView {
    return mergeView({
      status: this.#reported.status,
      sessionId: this.#reported.sessionId,
      progress: this.#progress,
      progressIsNewer: this.#progressAt > this.#askedAt,
      staged: this.#staged,
      waiting: this.waiting,
      uiUrl: this.#uiUrl,
      outdated: this.outdated,
    });
  }
}

/** True if a reader must not miss the change. Bytes, frames and places in line may be skipped: the next event has newer ones. */
function isMilestone(before: JobView, after: JobView): boolean {
  const isEpoch = before.epoch?.epoch !== after.epoch?.epoch || before.epoch?.run !== after.epoch?.run;
  if (isEpoch && after.epoch !== undefined) return true;
  if (before.models.length !== after.models.length) return true;
  return (['phase', 'worker', 'staging', 'outdated'] as const).some((key) => before[key] !== after[key]);
}
