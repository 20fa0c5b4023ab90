import type { Logger } from 'pino';
import { isFinal, type JobContext, type JobSpec } from '../../protocol/jobs/job.ts';
import type { JobAction } from '../../protocol/jobs/job-action.ts';
import type { JobView, WorkerProgress } from '../../protocol/jobs/job-view.ts';
import type { PeerInfo } from '../../protocol/wire/signaling.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { type Reader, RoomJobs, type Subscription, type SubscriptionRequest } from './room-jobs.ts';
import { RoomWatch } from './room-watch.ts';

/** Pause between two rounds over the rooms that nobody reads, in milliseconds: only to forget jobs that have ended. */
const SWEEP_MS = 60_000;

export interface JobViewsOptions {
  jobs: Jobs;
  /** Who is in a room now. */
  peers: (roomId: string) => readonly PeerInfo[];
  /** A worker's report counts. */
  onProgress?: (roomId: string, progress: WorkerProgress) => void;
  /** A job has ended. */
  onEnd?: (roomId: string, jobId: string) => void;
  /** A job of the backup has changed. */
  onChange?: () => void;
  logger: Logger;
  /** Pause between two questions about a room that somebody reads. Default: 2 s. */
  roundMs?: number | undefined;
}

interface Room {
  /** Calls that work with it now. */
  uses: number;
  jobs: RoomJobs;
  watch: RoomWatch;
}

/**
 * The one owner of the state of jobs: merges what Temporal and the workers report into one view of each job, and gives every
 * reader the same. Only jobs that have not ended are held in memory.
 */
export class JobViews {
  readonly #options: JobViewsOptions;
  readonly #rooms = new Map<string, Room>();
  readonly #sweep: NodeJS.Timeout;
  #sweeping = false;

  constructor(options: JobViewsOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => void this.#sweepRooms(), SWEEP_MS);
    this.#sweep.unref();
  }

  /** Starts a job, or finds the one with this id. @throws SleapRtcError as `Jobs.start` does */
  async submit(spec: JobSpec, context: JobContext): Promise<JobView> {
    const askedAt = performance.now();
    const reported = await this.#options.jobs.start(spec, context);
    return this.#use(context.room_id, ({ jobs }) => jobs.reported(reported, askedAt));
  }

  /**
   * A job's present view.
   * @param options `waitMs` waits so long for the job's end first; `signal` ends the waiting
   * @throws SleapRtcError JOB_NOT_FOUND, TEMPORAL_UNREACHABLE
   */
  async read(roomId: string, jobId: string, options?: { waitMs: number; signal: AbortSignal }): Promise<JobView> {
    return this.#use(roomId, async ({ jobs, watch }) => {
      if (options !== undefined && options.waitMs > 0) {
        await this.#options.jobs.untilEnd(roomId, jobId, options);
        // Nobody waits for the answer any more, so the workflow need not be asked.
        if (options.signal.aborted) return watch.read(jobId, { recordOnly: true });
      }
      const view = await watch.read(jobId);
      if (view.phase !== 'queued' || jobs.readers.size > 0) return view;
      // The queue is known only while somebody reads the room.
      await watch.list().catch(() => undefined);
      return jobs.jobs.get(jobId)?.view ?? view;
    });
  }

  /** The room's newest jobs first, at most 100; those that have not ended as their readers see them. */
  async list(roomId: string): Promise<JobView[]> {
    const { jobs } = this.#options;
    const listed = await jobs.list(roomId);
    const tracked = this.#rooms.get(roomId)?.jobs.jobs;
    return listed.map((status) => {
      const view = isFinal(status.phase) ? undefined : tracked?.get(status.job_id)?.view;
      return view ?? { ...status, temporal_ui_url: jobs.uiUrl(roomId, status.job_id) };
    });
  }

  /** Carries out an action on a job. @throws SleapRtcError as `Jobs.control` does */
  async control(roomId: string, jobId: string, action: JobAction, requestId: string): Promise<JobView> {
    const askedAt = performance.now();
    const reported = await this.#options.jobs.control(roomId, jobId, action, requestId);
    return this.#use(roomId, ({ jobs }) => jobs.reported(reported, askedAt));
  }

  /** Takes a report of a worker. It counts if the worker has the job's session; if that is not known, the workflow is asked. */
  report(roomId: string, worker: string, sessionId: string, progress: WorkerProgress): void {
    const { jobs, watch } = this.#room(roomId);
    const { job_id } = progress;
    switch (jobs.progressed({ worker, sessionId, progress, at: performance.now() })) {
      case 'phase':
        watch.ask(job_id);
        break;
      case 'unknown':
        watch.checkClaim(job_id);
        break;
      case 'accepted':
      case 'dropped':
    }
  }

  /** Something has happened to a job, perhaps its end. */
  hint(roomId: string, jobId: string): void {
    const room = this.#rooms.get(roomId);
    if (room?.jobs.jobs.has(jobId)) room.watch.ask(jobId);
  }

  /** The workers of a room have changed, so its jobs may wait for another reason. */
  peersChanged(roomId: string): void {
    this.#rooms.get(roomId)?.jobs.updateWaits();
  }

  /** A peer has left: its reports that wait for an answer count no more. */
  peerLeft(roomId: string, peerId: string): void {
    const room = this.#rooms.get(roomId);
    if (room === undefined) return;
    room.jobs.claims.left(peerId);
    this.#forgetIfUnused(roomId, room);
  }

  /** The rooms of which something is in memory. */
  get rooms(): string[] {
    return [...this.#rooms.keys()];
  }

  /**
   * Frees what is in memory of a room in which nobody is. Its jobs go on; the workflow engine still knows them, and whoever asks for
   * them gets them. Does nothing while a request about the room is under way.
   */
  free(roomId: string): void {
    const room = this.#rooms.get(roomId);
    if (room === undefined || room.uses > 0 || room.jobs.readers.size > 0) return;
    room.watch.close();
    this.#rooms.delete(roomId);
    this.#options.onChange?.();
  }

  /**
   * Sends a reader the jobs of a room, or one of them: first what it missed after `sinceSeq`, or the present state if that is too
   * long ago; then every change, until `unsubscribe`. Does not reject: while Temporal is unavailable the reader gets the last known state.
   */
  async subscribe(roomId: string, reader: Reader, request: SubscriptionRequest): Promise<void> {
    const { jobId, sinceSeq, requestId } = request;
    const { jobs, watch } = this.#room(roomId);
    const subscription: Subscription = { jobId, isLive: false, isWaiting: false };
    jobs.readers.set(reader, subscription);
    const firstRound = watch.start();
    let view: JobView | undefined;
    if (jobId === undefined) await firstRound;
    else if (!jobs.jobs.has(jobId)) view = await watch.read(jobId).catch(() => undefined);
    // Meanwhile the reader may have gone, or subscribed to something else.
    if (jobs.readers.get(reader) !== subscription) return;
    const untracked = jobId === undefined || jobs.jobs.has(jobId) ? undefined : view;
    jobs.answer(reader, subscription, { requestId, sinceSeq, untracked });
  }

  /** Ends a reader's subscription, if it has one. */
  unsubscribe(roomId: string, reader: Reader): void {
    const room = this.#rooms.get(roomId);
    if (room?.jobs.readers.delete(reader) !== true || room.jobs.readers.size > 0) return;
    room.watch.stop();
    this.#forgetIfUnused(roomId, room);
  }

  /** Every job that has not ended, by room, for the backup. */
  snapshot(): Record<string, JobView[]> {
    const rooms = [...this.#rooms].map(
      ([id, { jobs }]) => [id, [...jobs.jobs.values()].map(({ view }) => view)] as const,
    );
    return Object.fromEntries(rooms.filter(([, views]) => views.length > 0));
  }

  /** Restores a backup. */
  restore(rooms: Record<string, JobView[]>): void {
    for (const [roomId, views] of Object.entries(rooms)) {
      const { jobs } = this.#room(roomId);
      for (const view of views) jobs.restore(view);
    }
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const { watch } of this.#rooms.values()) watch.close();
  }

  #room(roomId: string): Room {
    const known = this.#rooms.get(roomId);
    if (known !== undefined) return known;
    const { jobs: engine, peers, onProgress, onEnd, onChange, logger, roundMs } = this.#options;
    const jobs = new RoomJobs({
      roomId,
      uiUrl: (jobId) => engine.uiUrl(roomId, jobId),
      peers: () => peers(roomId),
      onProgress: (progress) => onProgress?.(roomId, progress),
      onEnd: (jobId) => onEnd?.(roomId, jobId),
      onChange: () => onChange?.(),
    });
    const room = { uses: 0, jobs, watch: new RoomWatch(jobs, { jobs: engine, logger, roundMs }) };
    this.#rooms.set(roomId, room);
    return room;
  }

  /** Does something with a room, and drops the room from memory if nothing of it is needed any more. */
  async #use<T>(roomId: string, use: (room: Room) => T | Promise<T>): Promise<T> {
    const room = this.#room(roomId);
    room.uses += 1;
    try {
      return await use(room);
    } finally {
      room.uses -= 1;
      this.#forgetIfUnused(roomId, room);
    }
  }

  /** While Temporal is slow, a sweep may take longer than the pause between two. */
  async #sweepRooms(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      for (const [roomId, room] of [...this.#rooms]) {
        if (room.jobs.readers.size > 0) continue;
        if (room.jobs.jobs.size > 0) await room.watch.round();
        this.#forgetIfUnused(roomId, room);
      }
    } finally {
      this.#sweeping = false;
    }
  }

  #forgetIfUnused(roomId: string, room: Room): void {
    const { readers, jobs, claims } = room.jobs;
    if (room.uses > 0 || readers.size > 0 || jobs.size > 0 || claims.size > 0 || this.#rooms.get(roomId) !== room)
      return;
    room.watch.close();
    this.#rooms.delete(roomId);
  }
}
