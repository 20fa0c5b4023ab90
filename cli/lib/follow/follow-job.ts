import { randomUUID } from 'node:crypto';
import { SleapRtcError } from '../../../protocol/errors.ts';
import {
  isIdle,
  type JobPhase,
  type JobRequirements,
  type JobSpec,
  type JobStatus,
  type Staging,
} from '../../../protocol/jobs/job.ts';
import type { JobView } from '../../../protocol/jobs/job-view.ts';
import type { HashCache, SignalingClient, SourceFile } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';
import { controlJob } from '../api/control-job.ts';
import { retryOptions, retryWhileUnavailable } from '../api/retry-while-unavailable.ts';
import type { JobProgress } from '../output/job-progress.ts';
import { askWorkers } from '../room/ask-workers.ts';
import { enterRoom } from '../room/enter-room.ts';
import { JobFeed } from './job-feed.ts';
import { JobPeer } from './job-peer.ts';

/** Timeout for results that are still arriving after the job has ended, in ms. After it they are downloaded from S3. */
const RESULTS_TIMEOUT_MS = 30_000;

/** Pause before a busy worker is reported, in ms: a worker that takes this job is busy for a moment before it says so. */
const BUSY_GRACE_MS = 1_500;

/** Timeout for cancelling a job that waited too long, in ms. */
const CANCEL_TIMEOUT_MS = 20_000;

/** Options for following a job. */
export interface FollowOptions {
  api: RoomApi;
  jobId: string;
  /** The dataset; undefined if this process cannot serve it. */
  sources: SourceFile[] | undefined;
  cache: HashCache;
  requirements: JobRequirements;
  resultsFolder: string;
  progress: JobProgress;
  /** Longest wait for a worker, in ms; undefined means no limit. */
  waitMs?: number | undefined;
  /** False if the data must stay on the worker. */
  stage: boolean;
  /** True to stop following when the job does not need this process: its data is staged or, if it will not be, on the worker. */
  detach: boolean;
  signal: AbortSignal;
}

/** How following ended. */
export interface Followed {
  status: JobStatus;
  /** True if the job continues without this process. */
  left: boolean;
  /** True if a worker has sent all results over WebRTC, as it says. They are compared with what the room has published. */
  received: boolean;
}

/** Follows one job from within the room: shows its progress, serves its data and receives its results. */
export class JobFollower {
  readonly #options: FollowOptions;
  readonly #signaling: SignalingClient;
  readonly #peer: JobPeer;
  readonly #feed: JobFeed;
  readonly #notNeeded = new AbortController();
  #staging: Staging | undefined;
  #offersToReceive = false;
  /** Runs while all suitable workers seem busy. */
  #busyTimer: NodeJS.Timeout | undefined;

  private constructor(options: FollowOptions, signaling: SignalingClient) {
    this.#options = options;
    this.#signaling = signaling;
    const { progress } = options;
    this.#peer = new JobPeer({
      signaling,
      jobId: options.jobId,
      sources: options.sources,
      cache: options.cache,
      worker: options.requirements.worker,
      resultsFolder: options.resultsFolder,
      onConnected: (worker, route) =>
        progress.note(`Connected to ${worker} ${route === 'direct' ? 'directly' : 'through the relay'}.`),
      onProgress: (transfer) => progress.transfer(transfer),
      onSent: (bytes, seconds) => {
        progress.transferred('Sent', bytes, seconds);
        this.#onStaging(this.#staging);
      },
      onReceived: (bytes, seconds) => progress.transferred('Received', bytes, seconds),
      onTrouble: (sentence) => progress.note(`The transfer was interrupted and is tried again: ${sentence}`),
      onNotProven: (sentence) => progress.note(`A connection was refused: ${sentence}`),
      signal: options.signal,
    });
    this.#feed = new JobFeed({
      signaling,
      jobId: options.jobId,
      onView: (view) => this.#onView(view),
      onGap: (view) => this.#catchUp(view),
      onTrouble: (source, sentence) => progress.trouble(source, sentence),
    });
  }

  /** Enters the room. @throws SleapRtcError SERVER_UNREACHABLE, TOKEN_REFUSED and such */
  static async enter(options: FollowOptions): Promise<JobFollower> {
    const { api, jobId, signal } = options;
    const signaling = await enterRoom(api, {
      // Two terminals may follow one job.
      peerId: `cli-${jobId}-${randomUUID().slice(0, 8)}`,
      // Workers look for a peer with `job_id` to get the job's data, so only a process that can serve it sets it.
      metadata: { tags: [], properties: options.sources === undefined ? {} : { job_id: jobId } },
      signal,
    });
    return new JobFollower(options, signaling);
  }

  /** True once a worker has the complete dataset. */
  get workerHasData(): boolean {
    const phase = this.#options.progress.phase;
    return this.#peer.workerHasData || (phase !== undefined && hasData(phase));
  }

  /** True once the data is in the room's storage. */
  get dataIsStaged(): boolean {
    return this.#staging === 'staged';
  }

  /** Asks the workers about the job before it is submitted. @returns sentences for the researcher */
  async askWorkers(spec: JobSpec): Promise<string[]> {
    return askWorkers(this.#signaling, spec, this.#options.signal);
  }

  /**
   * Follows the submitted job.
   * @throws SleapRtcError NO_WORKER if it waited too long, after cancelling it; the signal's reason
   */
  async follow(): Promise<Followed> {
    const { jobId, progress, detach } = this.#options;
    const limit = new AbortController();
    const signal = AbortSignal.any([this.#options.signal, limit.signal, ...(detach ? [this.#notNeeded.signal] : [])]);
    const timer = this.#startWaitLimit(limit);
    try {
      await retryWhileUnavailable(() => this.#signaling.subscribeJobs(jobId), retryOptions(progress, signal));
      const status = await this.#feed.untilEnd(signal);
      const received = status.phase === 'done' && (await this.#peer.settle(RESULTS_TIMEOUT_MS));
      // From here on the results are compared and moved, so nobody may write to them.
      await this.#peer.close();
      return { status, left: false, received };
    } catch (error) {
      if (error instanceof WaitedOut) throw await this.#giveUpWaiting();
      const status = this.#feed.view;
      if (error instanceof NotNeeded && status !== undefined) return { status, left: true, received: false };
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#busyTimer);
    this.#feed.close();
    try {
      await this.#peer.close();
    } finally {
      await this.#signaling.close();
    }
  }

  #onView(view: JobView): void {
    const { progress, sources } = this.#options;
    progress.view(view);
    this.#onStaging(view.staging);
    this.#sayWhyItWaits(view);
    // A lost connection is reported by its own event.
    if (sources === undefined) this.#offerToReceive(hasData(view.phase)).catch(() => undefined);
  }

  /** Shows the epochs that were trained before this process connected, or while it was disconnected. */
  async #catchUp({ kind, phase }: JobView): Promise<void> {
    const { api, jobId, progress } = this.#options;
    if (kind !== 'training' || phase === 'queued') return;
    // Following works without the earlier epochs, e.g. if the storage is unavailable.
    const { runs } = await api.curve(jobId).catch(() => ({ runs: [] }));
    progress.curve(runs);
  }

  #onStaging(staging: Staging | undefined): void {
    this.#staging = this.#options.stage ? staging : 'off';
    const { sources, progress, detach } = this.#options;
    if (sources !== undefined && !detach) {
      if (this.#staging === 'staged') {
        progress.note(
          'The data is in the room’s storage: you may close this computer, and the job continues without it.',
        );
      } else if (this.#staging === 'failed') {
        progress.note(
          'The data could not be copied to the room’s storage. Leave this computer on: if the worker is lost, the job waits for it.',
        );
      }
    }
    const needed =
      this.#staging !== 'staged' && !(this.workerHasData && (this.#staging === 'off' || this.#staging === 'failed'));
    if (!needed) this.#notNeeded.abort(new NotNeeded());
  }

  /** Says why the job waits if no worker is free to take it. */
  #sayWhyItWaits({ phase, waiting }: JobView): void {
    clearTimeout(this.#busyTimer);
    if (phase !== 'queued' || waiting === undefined || waiting.workers_free > 0) return;
    const say = () => this.#options.progress.note(`${waiting.sentence}; waiting${this.#limitInWords()}.`);
    if (waiting.workers_fitting === 0) say();
    else this.#busyTimer = setTimeout(say, BUSY_GRACE_MS);
  }

  /** Without the data, this process is visible to workers only while one has the data and could send results. */
  async #offerToReceive(can: boolean): Promise<void> {
    if (can === this.#offersToReceive) return;
    this.#offersToReceive = can;
    await this.#signaling.updateMetadata({ tags: [], properties: can ? { job_id: this.#options.jobId } : {} });
  }

  #limitInWords(): string {
    const { waitMs } = this.#options;
    return waitMs === undefined ? '' : ` (at most ${Number((waitMs / 60_000).toPrecision(2))} min)`;
  }

  #startWaitLimit(limit: AbortController): NodeJS.Timeout | undefined {
    const { waitMs, progress } = this.#options;
    const onTime = (): void => {
      if (progress.phase === undefined || progress.phase === 'queued') limit.abort(new WaitedOut());
    };
    return waitMs === undefined ? undefined : setTimeout(onTime, waitMs);
  }

  async #giveUpWaiting(): Promise<SleapRtcError> {
    const { api, jobId } = this.#options;
    const sentence = `${this.#feed.view?.waiting?.sentence ?? 'No worker took the job'}; the time limit of --wait is over`;
    try {
      await controlJob(api, jobId, 'cancel', { forMs: CANCEL_TIMEOUT_MS });
    } catch (error) {
      if (!(error instanceof SleapRtcError) || error.code !== 'CONTROL_UNAVAILABLE') throw error;
      const remedy = `Cancel it later with \`sleap-rtc jobs cancel ${jobId}\`.`;
      return new SleapRtcError('NO_WORKER', `${sentence}. ${error.message}`, { remedy });
    }
    return new SleapRtcError('NO_WORKER', `${sentence}, and the job is cancelled.`);
  }
}

/** True if a worker has the job's data in this phase. */
function hasData(phase: JobPhase): boolean {
  return !isIdle(phase) && phase !== 'receiving';
}

/** Ends the wait for a worker. It is caught in this file. */
class WaitedOut extends Error {}

/** The job does not need this process any more. It is caught in this file. */
class NotNeeded extends Error {}
