import { randomUUID } from 'node:crypto';
import type { Waiting } from '../../../protocol/api.ts';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { JobPhase, JobRequirements, JobSpec, JobStatus, Staging } from '../../../protocol/job.ts';
import type { HashCache, SignalingClient, SourceFile } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';
import { controlJob } from '../api/control-job.ts';
import { pause } from '../api/http.ts';
import { retryOptions, retryWhileUnavailable } from '../api/retry-while-unavailable.ts';
import type { JobProgress } from '../output/job-progress.ts';
import { askWorkers } from '../room/ask-workers.ts';
import { enterRoom } from '../room/enter-room.ts';
import { reasonToWait, type WaitReason } from '../room/worker-wait.ts';
import { JobPeer } from './job-peer.ts';
import { watchJob } from './watch-job.ts';

/** How long results that are on their way are waited for once the job has ended, in ms; then S3 has them. */
const SETTLE_MS = 30_000;

/** How long a worker may seem busy before it is said, in ms: one that takes this job is busy a moment before it says why. */
const BUSY_GRACE_MS = 1_500;

/** How often, and with which pause in ms, the job is asked whether its data is staged once a worker has said so. */
const CONFIRM_TIMES = 5;
const CONFIRM_PAUSE_MS = 500;

/** How long a job that waited too long is asked to be cancelled, in ms. */
const CANCEL_TIMEOUT_MS = 20_000;

/** A job to follow to its end. */
export interface FollowOptions {
  api: RoomApi;
  jobId: string;
  /** The dataset, where this process can serve it. */
  sources: SourceFile[] | undefined;
  cache: HashCache;
  requirements: JobRequirements;
  resultsFolder: string;
  progress: JobProgress;
  /** How long the job may wait for a worker, in ms; undefined: for ever. */
  waitMs?: number | undefined;
  /** False where the data must stay on the worker. */
  stage: boolean;
  /** Leave when the job needs this process no longer: its data is staged, or, where it will not be, across. */
  detach: boolean;
  signal: AbortSignal;
}

/** How following ended: `left` where the job goes on by itself. */
export interface Followed {
  status: JobStatus;
  left: boolean;
  /** Whether the results came over WebRTC, whole. */
  received: boolean;
}

/** The researcher's presence in the room on behalf of one job: shows what workers say, serves the data, receives the results. */
export class JobFollower {
  readonly #options: FollowOptions;
  readonly #signaling: SignalingClient;
  readonly #peer: JobPeer;
  readonly #dispensable = new AbortController();
  readonly #closing = new AbortController();
  #staging: Staging | undefined;
  #isConfirming = false;
  readonly #offs: (() => void)[];
  #offersToReceive = false;

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
      onTrouble: (sentence) => progress.note(`The transfer was broken off and is tried again: ${sentence}`),
      onNotProven: (sentence) => progress.note(`A connection was refused: ${sentence}`),
      signal: options.signal,
    });
    this.#offs = [
      signaling.on('peer_message', ({ from_peer_id, payload }) => {
        if (payload.type !== 'progress' && payload.type !== 'dataset_staged') return;
        if (payload.job_id !== options.jobId || payload.worker !== from_peer_id) return;
        if (payload.type === 'progress') progress.message(payload);
        else void this.#confirmStaging();
      }),
      signaling.on('disconnected', () => {
        progress.trouble('signaling', 'The connection to the server is lost. Connecting again; the job is not lost.');
      }),
      signaling.on('connected', () => progress.trouble('signaling', undefined)),
    ];
  }

  /** Enters the room. @throws SleapRtcError SERVER_UNREACHABLE, ROOM_UNKNOWN, TOKEN_REFUSED and such */
  static async enter(options: FollowOptions): Promise<JobFollower> {
    const { api, jobId, signal } = options;
    const signaling = await enterRoom(api, {
      // Two terminals may follow one job.
      peerId: `cli-${jobId}-${randomUUID().slice(0, 8)}`,
      // Workers look for the job's data where `job_id` stands, so only who can serve it may say so.
      metadata: { tags: [], properties: options.sources === undefined ? {} : { job_id: jobId } },
      signal,
    });
    return new JobFollower(options, signaling);
  }

  /** True once a worker has the whole dataset. */
  get datasetIsAcross(): boolean {
    const phase = this.#options.progress.phase;
    return this.#peer.datasetIsAcross || (phase !== undefined && hasData(phase));
  }

  /** True once the data lies in the room's storage. */
  get datasetIsStaged(): boolean {
    return this.#staging === 'staged';
  }

  /** Asks the workers about the job before it is submitted. @returns what is worth telling */
  async askWorkers(spec: JobSpec): Promise<string[]> {
    return askWorkers(this.#signaling, spec, this.#options.signal);
  }

  /**
   * Follows the submitted job.
   * @throws SleapRtcError NO_WORKER where it waited too long (it is cancelled then); the signal's reason
   */
  async follow(): Promise<Followed> {
    const { api, jobId, progress, detach } = this.#options;
    const limit = new AbortController();
    const signal = AbortSignal.any([this.#options.signal, limit.signal, ...(detach ? [this.#dispensable.signal] : [])]);
    const timer = this.#startWaitLimit(limit);
    try {
      const status = await watchJob(api, jobId, {
        onStatus: (current, waiting) => {
          progress.status(current);
          this.#onStaging(current.staging);
          void this.#onStatus(current, waiting, signal);
        },
        ...retryOptions(progress, signal),
      });
      const received = status.phase === 'done' && (await this.#peer.settle(SETTLE_MS));
      return { status, left: false, received };
    } catch (error) {
      if (error instanceof WaitedOut) throw await this.#giveUpWaiting();
      if (error instanceof Dispensable) {
        const { status } = await retryWhileUnavailable(
          () => api.job(jobId),
          retryOptions(progress, this.#options.signal),
        );
        return { status, left: true, received: false };
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    for (const off of this.#offs) off();
    this.#closing.abort();
    try {
      await this.#peer.close();
    } finally {
      await this.#signaling.close();
    }
  }

  /**
   * A worker's word comes sooner than the answer of a long poll, and a moment before the job knows. Only the job is believed:
   * anybody in the room can call itself a worker.
   */
  async #confirmStaging(): Promise<void> {
    if (this.#isConfirming) return;
    this.#isConfirming = true;
    const { api, jobId } = this.#options;
    const { signal } = this.#closing;
    try {
      for (let times = 0; times < CONFIRM_TIMES && this.#staging !== 'staged'; times += 1) {
        if (times > 0) await pause(CONFIRM_PAUSE_MS, signal);
        const { status } = await api.job(jobId, { signal });
        this.#onStaging(status.staging);
      }
    } catch {
      // The long poll will tell.
    } finally {
      this.#isConfirming = false;
    }
  }

  #onStaging(staging: Staging | undefined): void {
    this.#staging = this.#options.stage ? staging : 'off';
    const { sources, progress, detach } = this.#options;
    if (sources !== undefined && !detach) {
      if (this.#staging === 'staged') {
        progress.note(
          'The data is in the room’s storage: you may close this computer, and the job goes on without it.',
        );
      } else if (this.#staging === 'failed') {
        progress.note(
          'The room’s storage did not take the data: keep this computer on, or a job whose worker is lost waits for it.',
        );
      }
    }
    const needed =
      this.#staging !== 'staged' && !(this.datasetIsAcross && (this.#staging === 'off' || this.#staging === 'failed'));
    if (!needed) this.#dispensable.abort(new Dispensable());
  }

  async #onStatus(status: JobStatus, waiting: Waiting | undefined, signal: AbortSignal): Promise<void> {
    const { progress, sources } = this.#options;
    try {
      if (status.phase === 'queued') {
        let reason = await this.#reasonToWait(signal);
        // It may be busy with this very job, of which the next message tells.
        if (reason?.busy) {
          await pause(BUSY_GRACE_MS, signal);
          reason = progress.phase === 'queued' ? await this.#reasonToWait(signal) : undefined;
        }
        // The server also knows who else waits; an older one does not say.
        if (reason !== undefined)
          progress.note(`${waiting?.sentence ?? reason.sentence}; waiting${this.#limitInWords()}.`);
      }
      if (sources === undefined) await this.#offerToReceive(hasData(status.phase));
    } catch {
      // Only words depend on this; a lost connection is told by its own event.
    }
  }

  /** Without the data, a worker may find us only while it has the data and could bring results. */
  async #offerToReceive(can: boolean): Promise<void> {
    if (can === this.#offersToReceive) return;
    this.#offersToReceive = can;
    await this.#signaling.updateMetadata({ tags: [], properties: can ? { job_id: this.#options.jobId } : {} });
  }

  #reasonToWait(signal: AbortSignal): Promise<WaitReason | undefined> {
    const { api, requirements } = this.#options;
    return reasonToWait(this.#signaling, api.connection.room, requirements, signal);
  }

  #limitInWords(): string {
    const { waitMs } = this.#options;
    return waitMs === undefined ? '' : ` (for ${Number((waitMs / 60_000).toPrecision(2))} min at most)`;
  }

  #startWaitLimit(limit: AbortController): NodeJS.Timeout | undefined {
    const { waitMs, progress } = this.#options;
    const onTime = (): void => {
      if (progress.phase === undefined || progress.phase === 'queued') limit.abort(new WaitedOut());
    };
    return waitMs === undefined ? undefined : setTimeout(onTime, waitMs);
  }

  async #giveUpWaiting(): Promise<SleapRtcError> {
    const { api, jobId, signal } = this.#options;
    const reason = await this.#reasonToWait(signal).catch(() => undefined);
    const sentence = `${reason?.sentence ?? 'No worker took the job'}; the time of --wait is over`;
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

/** Whether a worker has the job's data in this phase. */
function hasData(phase: JobPhase): boolean {
  return phase !== 'queued' && phase !== 'receiving' && phase !== 'paused';
}

/** Ends the wait for a worker; never leaves this file. */
class WaitedOut extends Error {}

/** The job does not need this process any more; never leaves this file. */
class Dispensable extends Error {}
