import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { SleapRtcError, toSleapRtcError } from '../../protocol/errors.ts';
import { isFinal, isIdle } from '../../protocol/jobs/job.ts';
import type { JobView } from '../../protocol/jobs/job-view.ts';
import type { Jobs, ReportedJob } from '../jobs/jobs.ts';
import type { RoomJobs } from './room-jobs.ts';
import type { TrackedJob } from './tracked-job.ts';

/** Pause between two rounds of questions while somebody reads the room's jobs, in milliseconds. */
const ROUND_MS = 2000;
/** A job whose worker has reported within this time is asked about less often: its changes of phase are seen at once. */
const REPORTED_MS = 5000;
const REPORTED_ROUND_MS = 10_000;
/** A job that has just been started may not be listed yet. */
const LISTED_AFTER_MS = 10_000;
/** Jobs asked about in one round. */
const MAX_ASKED = 64;
/** Ends waited for in one room; the others are noticed in the next round. */
const MAX_END_WAITS = 64;
/** One wait for a job's end. */
const END_WAIT_MS = 60_000;
/** Least time between two questions about the same job because of a session that is not known, and between two of one room. */
const CLAIM_PAUSE_MS = 1000;
const ROOM_CLAIM_PAUSE_MS = 50;

/**
 * Asks the workflow engine about the jobs of one room: all of them regularly while somebody reads them, one of them when its
 * worker reports another phase or a session that the server does not know, and waits for their ends. However many readers a
 * room has, each question is asked once.
 */
export class RoomWatch {
  readonly #room: RoomJobs;
  readonly #jobs: Jobs;
  readonly #logger: Logger;
  readonly #roundMs: number;
  readonly #closed = new AbortController();
  /** Set while somebody reads. */
  #reading: AbortController | undefined;
  #firstRound: Promise<void> | undefined;
  /** Jobs that are being asked about, and whether they must be asked about once more. */
  readonly #asking = new Map<string, { again: boolean }>();
  readonly #endWaits = new Set<string>();
  readonly #claimTimers = new Map<string, NodeJS.Timeout>();
  #nextClaimAt = 0;

  constructor(room: RoomJobs, options: { jobs: Jobs; logger: Logger; roundMs?: number | undefined }) {
    this.#room = room;
    this.#jobs = options.jobs;
    this.#logger = options.logger;
    this.#roundMs = options.roundMs ?? ROUND_MS;
  }

  /** Starts the rounds. Resolves after the first one, whether or not it succeeded. */
  async start(): Promise<void> {
    if (this.#reading === undefined) {
      const reading = new AbortController();
      this.#reading = reading;
      this.#firstRound = this.round();
      void this.#rounds(this.#firstRound, reading.signal);
    }
    await this.#firstRound;
  }

  /** Ends the rounds and the waits for ends. */
  stop(): void {
    this.#reading?.abort();
    this.#reading = undefined;
  }

  /** Ends everything. */
  close(): void {
    this.stop();
    this.#closed.abort();
    for (const timer of this.#claimTimers.values()) clearTimeout(timer);
    this.#claimTimers.clear();
  }

  /** Lists the jobs of the room that have not ended, and tracks the new ones. */
  async list(): Promise<ReportedJob[]> {
    const askedAt = performance.now();
    const active = await this.#jobs.active(this.#room.roomId);
    const { jobs } = this.#room;
    this.#room.allReported(
      active.filter(({ status }) => !jobs.has(status.job_id)),
      askedAt,
    );
    for (const { status } of active) {
      const job = jobs.get(status.job_id);
      if (job !== undefined) job.wasListed = true;
    }
    return active;
  }

  /** Asks about all jobs of the room once. */
  async round(): Promise<void> {
    const room = this.#room;
    const startedAt = performance.now();
    try {
      const active = await this.list();
      const listed = new Set(active.map(({ status }) => status.job_id));
      const queued = new Set(
        active.filter(({ status }) => status.phase === 'queued').map(({ status }) => status.job_id),
      );
      const due = [...room.jobs.values()].filter((job) =>
        listed.has(job.jobId)
          ? isDue(job, queued.has(job.jobId))
          : job.wasListed || startedAt - job.trackedAt > LISTED_AFTER_MS,
      );
      due.sort(byUrgency(performance.now()));
      await Promise.all(due.slice(0, MAX_ASKED).map(({ jobId }) => this.read(jobId)));
      await this.#tellEnded();
      room.setOutdated(false);
      room.updateWaits();
      this.#awaitEnds();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  /**
   * Asks the workflow engine about one job.
   * @throws SleapRtcError JOB_NOT_FOUND, TEMPORAL_UNREACHABLE
   */
  async read(jobId: string, options?: { recordOnly: boolean }): Promise<JobView> {
    const askedAt = performance.now();
    try {
      return this.#room.reported(await this.#jobs.read(this.#room.roomId, jobId, options), askedAt);
    } catch (error) {
      if (error instanceof SleapRtcError && error.code === 'JOB_NOT_FOUND') this.#room.lost(jobId, error);
      throw error;
    }
  }

  /** Asks about one job soon; several calls become one question. */
  ask(jobId: string): void {
    const asking = this.#asking.get(jobId);
    if (asking === undefined) void this.#ask(jobId);
    else asking.again = true;
  }

  /** Asks about a job whose worker reports in a session that the server does not know. */
  checkClaim(jobId: string): void {
    if (this.#claimTimers.has(jobId)) return;
    const now = performance.now();
    const at = Math.max(now, this.#nextClaimAt);
    this.#nextClaimAt = at + ROOM_CLAIM_PAUSE_MS;
    const check = () => {
      this.ask(jobId);
      // The pause until the next check of this job.
      this.#claimTimers.set(
        jobId,
        setTimeout(() => {
          this.#claimTimers.delete(jobId);
          if (this.#room.claims.has(jobId)) this.checkClaim(jobId);
        }, CLAIM_PAUSE_MS),
      );
    };
    this.#claimTimers.set(jobId, setTimeout(check, at - now));
  }

  async #rounds(first: Promise<void>, signal: AbortSignal): Promise<void> {
    await first;
    while (!signal.aborted) {
      await sleep(this.#roundMs, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.round();
    }
  }

  async #ask(jobId: string): Promise<void> {
    const asking = { again: false };
    this.#asking.set(jobId, asking);
    try {
      do {
        asking.again = false;
        await this.read(jobId);
      } while (asking.again && !this.#closed.signal.aborted);
      this.#awaitEnds();
    } catch (error) {
      this.#onFailure(error);
    } finally {
      this.#asking.delete(jobId);
    }
  }

  /** Reads the jobs that have ended before their readers came. */
  async #tellEnded(): Promise<void> {
    const { readers, jobs } = this.#room;
    const wanted = [...readers.values()].filter(({ isWaiting, jobId }) => isWaiting && jobId !== undefined);
    for (const jobId of new Set(wanted.map(({ jobId }) => jobId))) {
      if (jobId === undefined || jobs.has(jobId)) continue;
      const view = await this.read(jobId).catch(() => undefined);
      if (view !== undefined && isFinal(view.phase)) this.#room.tellEnded(view);
    }
  }

  #awaitEnds(): void {
    const signal = this.#reading?.signal;
    if (signal === undefined) return;
    for (const { jobId, view } of this.#room.jobs.values()) {
      if (this.#endWaits.size >= MAX_END_WAITS) return;
      // The rounds are enough for those that wait.
      if (isIdle(view.phase) || this.#endWaits.has(jobId)) continue;
      void this.#awaitEnd(jobId, signal);
    }
  }

  async #awaitEnd(jobId: string, signal: AbortSignal): Promise<void> {
    this.#endWaits.add(jobId);
    try {
      await this.#jobs.untilEnd(this.#room.roomId, jobId, { waitMs: END_WAIT_MS, signal });
      if (!signal.aborted) await this.read(jobId);
    } catch (error) {
      this.#onFailure(error);
    } finally {
      this.#endWaits.delete(jobId);
    }
  }

  #onFailure(error: unknown): void {
    if (this.#closed.signal.aborted) return;
    const { code } = toSleapRtcError(error);
    if (code === 'TEMPORAL_UNREACHABLE') this.#room.setOutdated(true);
    else if (code !== 'JOB_NOT_FOUND')
      this.#logger.warn({ event: 'jobs_not_read', room: this.#room.roomId, err: error }, 'jobs could not be read');
  }
}

/** Jobs that wait for a worker come last. Of the others, the one that was asked about longest ago is first, so that each has its turn. */
function byUrgency(now: number): (a: TrackedJob, b: TrackedJob) => number {
  const isQueued = (job: TrackedJob) => Number(job.view.phase === 'queued');
  return (a, b) => {
    if (isQueued(a) !== isQueued(b)) return isQueued(a) - isQueued(b);
    const [askedMs, otherAskedMs] = [a.ages(now).askedMs, b.ages(now).askedMs];
    return askedMs === otherAskedMs ? 0 : otherAskedMs - askedMs;
  };
}

/** Whether a listed job must be asked about in this round. */
function isDue(job: TrackedJob, isQueued: boolean): boolean {
  const { askedMs, progressMs } = job.ages();
  const { phase } = job.view;
  if (isQueued && phase === 'queued') return !job.isComplete;
  return phase === 'paused' || progressMs < REPORTED_MS ? askedMs > REPORTED_ROUND_MS : true;
}
