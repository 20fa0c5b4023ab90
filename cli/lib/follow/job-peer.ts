import { mkdir } from 'node:fs/promises';
import { SleapRtcError, toSleapRtcError } from '../../../protocol/errors.ts';
import { totalBytes } from '../../../protocol/files.ts';
import type { TransferProgress } from '../../../protocol/job-view.ts';
import {
  acceptTransfers,
  type HashCache,
  type PeerConnection,
  type Route,
  receiveFiles,
  type SignalingClient,
  type SourceFile,
  sendFiles,
  type TransferChannel,
} from '../../../transport/index.ts';
import { pause } from '../api/http.ts';

/** Most that a worker may send back, in bytes: models have megabytes, predictions of long videos some gigabytes. */
const MAX_RESULT_BYTES = 256 * 2 ** 30;

/** What the researcher's side of a job does over WebRTC. */
export interface JobPeerOptions {
  signaling: SignalingClient;
  jobId: string;
  /** The dataset; undefined where this process cannot serve it (`jobs attach` elsewhere). */
  sources: SourceFile[] | undefined;
  /** What is known of the files on this machine. */
  cache: HashCache;
  /** Only this worker is served, where the job asked for one. */
  worker?: string | undefined;
  /** Where results are received; made when they come. */
  resultsFolder: string;
  /** A connection to a worker works, and leads there by this way. */
  onConnected: (worker: string, route: Route) => void;
  onProgress: (progress: TransferProgress) => void;
  onSent: (bytes: number, seconds: number) => void;
  onReceived: (bytes: number, seconds: number) => void;
  onTrouble: (sentence: string) => void;
  /** Somebody was sent away who has not proven to have the room's key. */
  onNotProven: (sentence: string) => void;
  signal: AbortSignal;
}

/**
 * Serves a job's dataset and receives its results, from when it is made until it is disposed. Answers only offers for its own
 * job that come from a worker, by the server's word.
 */
export class JobPeer {
  readonly #options: JobPeerOptions;
  readonly #accepting: { close(): Promise<void> };
  readonly #received = Promise.withResolvers<void>();
  #datasetIsAcross = false;
  #receiving = 0;
  #hasResults = false;

  constructor(options: JobPeerOptions) {
    this.#options = options;
    this.#accepting = acceptTransfers(options.signaling, (channel, connection) => this.#serve(channel, connection), {
      onNotProven: ({ message }) => options.onNotProven(message),
      accept: ({ purpose }) =>
        purpose.job_id === options.jobId &&
        (purpose.kind === 'results' || (purpose.kind === 'dataset' && options.sources !== undefined)),
    });
  }

  /** True once a worker has said that it has the whole dataset. */
  get datasetIsAcross(): boolean {
    return this.#datasetIsAcross;
  }

  /** Waits for results that are on their way, but not for more than the given time. @returns whether they are here */
  async settle(ms: number): Promise<boolean> {
    if (this.#hasResults || this.#receiving === 0) return this.#hasResults;
    await Promise.race([this.#received.promise, pause(ms, this.#options.signal)]);
    return this.#hasResults;
  }

  async close(): Promise<void> {
    await this.#accepting.close();
  }

  async #serve(channel: TransferChannel, connection: PeerConnection): Promise<void> {
    try {
      await this.#refuseStrangers(connection.remotePeerId);
      if (connection.route !== undefined) this.#options.onConnected(connection.remotePeerId, connection.route);
      if (connection.purpose.kind === 'dataset') await this.#send(channel);
      else await this.#receive(channel);
    } catch (thrown) {
      const error = toSleapRtcError(thrown);
      if (!this.#options.signal.aborted) this.#options.onTrouble(`${error.message} [${error.code}]`);
    }
  }

  /** The server says who is a worker; a peer's own word does not count. */
  async #refuseStrangers(peerId: string): Promise<void> {
    const { signaling, worker, signal } = this.#options;
    const workers = await signaling.discoverPeers({ role: 'worker' }, { signal });
    const allowed = workers.some((peer) => peer.peer_id === peerId) && (worker === undefined || worker === peerId);
    if (!allowed) throw new SleapRtcError('NOT_ALLOWED', `${peerId} is no worker of this job and was sent away.`);
  }

  async #send(channel: TransferChannel): Promise<void> {
    const { sources = [], cache, onProgress, onSent, signal } = this.#options;
    const started = Date.now();
    await sendFiles(channel, sources, { cache, signal, onProgress });
    this.#datasetIsAcross = true;
    onSent(totalBytes(sources.map(({ entry }) => entry)), (Date.now() - started) / 1000);
  }

  async #receive(channel: TransferChannel): Promise<void> {
    const { resultsFolder, cache, onProgress, onReceived, signal } = this.#options;
    this.#receiving += 1;
    try {
      const started = Date.now();
      await mkdir(resultsFolder, { recursive: true });
      const files = await receiveFiles(channel, resultsFolder, {
        maxTotalBytes: MAX_RESULT_BYTES,
        cache,
        signal,
        onProgress,
      });
      this.#hasResults = true;
      onReceived(totalBytes(files), (Date.now() - started) / 1000);
    } finally {
      this.#receiving -= 1;
      if (this.#hasResults || this.#receiving === 0) this.#received.resolve();
    }
  }
}
