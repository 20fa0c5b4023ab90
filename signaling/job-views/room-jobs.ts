import { isFinal } from '../../protocol/jobs/job.ts';
import type { JobView, WorkerProgress } from '../../protocol/jobs/job-view.ts';
import { MAX_TRACKED_JOBS, type PeerInfo, type ServerMessage } from '../../protocol/wire/signaling.ts';
import type { ReportedJob } from '../jobs/jobs.ts';
import { describeWaits } from '../jobs/waiting.ts';
import { type Claim, Claims } from './claims.ts';
import { EventLog } from './event-log.ts';
import { TrackedJob } from './tracked-job.ts';

/** Jobs of one room that are remembered after their end, about 50 bytes each. An answer is late by seconds at most. */
const MAX_ENDED = 1000;

/** Who reads a room's events. */
export interface Reader {
  /** @param options `droppable` if the reader may miss the message when it reads too slowly */
  send(message: ServerMessage, options?: { droppable: boolean }): void;
}

/** What a reader asks for: all jobs of the room or one, and from which event on. */
export interface SubscriptionRequest {
  jobId?: string | undefined;
  sinceSeq?: number | undefined;
  requestId?: string | undefined;
}

/** What one reader wants. */
export interface Subscription {
  /** Undefined: all jobs of the room. */
  jobId: string | undefined;
  /** False until it has been answered; events go out from then on. */
  isLive: boolean;
  /** True while the reader has not been sent anything about its one job. */
  isWaiting: boolean;
}

export interface RoomJobsOptions {
  roomId: string;
  uiUrl: (jobId: string) => string | null;
  peers: () => readonly PeerInfo[];
  /** A worker's report counts. */
  onProgress: (progress: WorkerProgress) => void;
  /** A job has ended. */
  onEnd: (jobId: string) => void;
  /** The jobs have changed. */
  onChange: () => void;
}

/** The jobs of one room that have not ended, their events, and who reads them. */
export class RoomJobs {
  readonly roomId: string;
  readonly jobs = new Map<string, TrackedJob>();
  readonly readers = new Map<Reader, Subscription>();
  readonly claims = new Claims();
  readonly #options: RoomJobsOptions;
  readonly #log = new EventLog();
  /** Jobs that have ended, oldest first, and when the workflow engine was asked for the answer that said so. */
  readonly #ended = new Map<string, number>();

  constructor(options: RoomJobsOptions) {
    this.roomId = options.roomId;
    this.#options = options;
  }

  /** Adds a job that was tracked before a restart. */
  restore(view: JobView): void {
    if (!this.jobs.has(view.job_id)) this.jobs.set(view.job_id, TrackedJob.restored(view));
  }

  /**
   * Takes an answer of the workflow engine.
   * @returns the job's view now
   */
  reported(reported: ReportedJob, askedAt: number): JobView {
    const job = this.#take(reported, askedAt);
    if (job.queued !== undefined) this.updateWaits();
    return job.view;
  }

  /** The same for many at once, whose places in line are worked out once. Further jobs are answered when somebody asks for them. */
  allReported(all: readonly ReportedJob[], askedAt: number): void {
    for (const reported of all) this.#take(reported, askedAt);
    this.updateWaits();
  }

  #take(reported: ReportedJob, askedAt: number): TrackedJob {
    const { job_id, phase } = reported.status;
    let job = this.jobs.get(job_id);
    const isNew = job === undefined;
    job ??= new TrackedJob(reported, askedAt, this.#options.uiUrl(job_id));
    if (isFinal(phase)) this.#rememberEnd(job_id, askedAt);
    if (isNew && (isFinal(phase) || this.#isLate(reported, askedAt) || this.jobs.size >= MAX_TRACKED_JOBS)) {
      this.claims.drop(job_id);
      return job;
    }
    this.jobs.set(job_id, job);
    job.reportedBy(reported, askedAt);
    for (const claim of this.claims.settle(job_id, job.sessionId, askedAt)) this.#accept(job, claim);
    const change = job.update();
    if (isNew || change !== undefined) this.#publish(job, isNew || change?.isMilestone === true);
    return job;
  }

  /**
   * Takes a report of a worker. Returns `accepted`, `phase` if the job also has another phase now, `unknown` if its session is unknown,
   * or `dropped` if too many reports already wait for an answer about their sessions.
   */
  progressed(claim: Claim): 'accepted' | 'phase' | 'unknown' | 'dropped' {
    const job = this.jobs.get(claim.progress.job_id);
    if (job === undefined || job.sessionId !== claim.sessionId) return this.claims.add(claim) ? 'unknown' : 'dropped';
    const isNews = this.#accept(job, claim);
    this.#update(job);
    return isNews ? 'phase' : 'accepted';
  }

  /** The job cannot be found any more: it counts as failed, so that nobody waits for it forever. */
  lost(jobId: string, error: { code: string; message: string; remedy: string }): void {
    const job = this.jobs.get(jobId);
    this.claims.drop(jobId);
    if (job === undefined) return;
    const status = { ...job.view, phase: 'failed' as const, detail: error.message, error };
    job.reportedBy({ status, requirements: {}, sessionId: null, complete: true }, performance.now());
    this.#update(job);
  }

  /** Marks all jobs while the workflow engine is unavailable, or removes the mark. */
  setOutdated(outdated: boolean): void {
    for (const job of this.jobs.values()) {
      job.outdated = outdated;
      this.#update(job);
    }
  }

  /** Works out again why the waiting jobs wait: the queue or the workers have changed. */
  updateWaits(): void {
    const queue = [...this.jobs.values()].map(({ queued }) => queued).filter((job) => job !== undefined);
    if (queue.length === 0) return;
    const waits = describeWaits(queue, this.#options.peers());
    for (const [jobId, waiting] of waits) {
      const job = this.jobs.get(jobId);
      if (job === undefined) continue;
      job.waiting = waiting;
      this.#update(job);
    }
  }

  /**
   * Answers a subscription, and sends the reader all events from then on.
   * @param untracked the view of the wanted job if it is not tracked, mostly since it has ended
   */
  answer(reader: Reader, subscription: Subscription, { requestId, sinceSeq, untracked }: SubscriptionAnswer): void {
    const { jobId } = subscription;
    const isWanted = (job: JobView) => jobId === undefined || job.job_id === jobId;
    const wanted = sinceSeq === undefined ? undefined : this.#log.since(sinceSeq)?.filter(({ job }) => isWanted(job));
    // The reader may not have been sent the end: it subscribed while Temporal was unavailable, and the job had ended before that.
    const missed = wanted?.length === 0 && untracked !== undefined ? undefined : wanted;
    const views = [...this.jobs.values()].map(({ view }) => view).filter(isWanted);
    const jobs = missed !== undefined ? null : untracked === undefined ? views : [untracked];
    const seq = missed !== undefined && sinceSeq !== undefined ? sinceSeq : this.#log.seq;
    reader.send({ type: 'jobs_subscribed', request_id: requestId, seq, jobs });
    for (const event of missed ?? []) reader.send({ type: 'job_event', ...event });
    subscription.isLive = true;
    subscription.isWaiting = (jobs ?? missed ?? []).length === 0;
  }

  /** Sends the view of a job that is not tracked to readers that wait for it. */
  tellEnded(job: JobView): void {
    for (const [reader, subscription] of this.readers) {
      if (subscription.jobId !== job.job_id || !subscription.isWaiting) continue;
      subscription.isWaiting = false;
      reader.send({ type: 'job_event', seq: this.#log.seq, job });
    }
  }

  #rememberEnd(jobId: string, askedAt: number): void {
    this.#ended.set(jobId, askedAt);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#ended.delete(oldest);
  }

  /** True if the job has ended meanwhile: the question came before the end, or the engine's records lag behind it. */
  #isLate({ status, complete }: ReportedJob, askedAt: number): boolean {
    const endAskedAt = this.#ended.get(status.job_id);
    return endAskedAt !== undefined && (!complete || askedAt <= endAskedAt);
  }

  #accept(job: TrackedJob, { worker, sessionId, progress, at }: Claim): boolean {
    const { phase, staging, ...rest } = progress;
    this.#options.onProgress(progress);
    const accepted = phase === undefined ? undefined : { ...rest, phase, worker, sessionId };
    return job.progressed(accepted, staging === 'staged', at);
  }

  #update(job: TrackedJob): void {
    const change = job.update();
    if (change !== undefined) this.#publish(job, change.isMilestone);
  }

  #publish({ jobId, view }: TrackedJob, isMilestone: boolean): void {
    const isLast = isFinal(view.phase);
    const event = this.#log.append(view, { isMilestone, isLast });
    if (isLast) this.jobs.delete(jobId);
    // One object for all readers, so that it is serialized once.
    const message: JobEventMessage = { type: 'job_event', ...event };
    for (const [reader, subscription] of this.readers) this.#send(reader, subscription, message, isMilestone);
    this.#options.onChange();
    if (!isLast) return;
    this.#options.onEnd(jobId);
    // One job fewer waits, or a worker is about to be free.
    this.updateWaits();
  }

  #send(reader: Reader, subscription: Subscription, message: JobEventMessage, isMilestone: boolean): void {
    if (!subscription.isLive) return;
    if (subscription.jobId !== undefined && subscription.jobId !== message.job.job_id) return;
    subscription.isWaiting = false;
    reader.send(message, { droppable: !isMilestone });
  }
}

type JobEventMessage = Extract<ServerMessage, { type: 'job_event' }>;

interface SubscriptionAnswer {
  requestId: string | undefined;
  sinceSeq: number | undefined;
  untracked: JobView | undefined;
}
