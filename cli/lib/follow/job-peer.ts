import { mkdir } from 'node:fs/promises';
import { SleapRtcError, toSleapRtcError } from '../../../protocol/errors.ts';
import { totalBytes } from '../../../protocol/files.ts';
import type { TransferProgress } from '../../../protocol/jobs/job-view.ts';
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

/** Largest results, in bytes. Models have megabytes, predictions of long videos some gigabytes. */
const MAX_RESULT_BYTES = 256 * 2 ** 30;

/** Refused peers that the researcher reads of. */
const MAX_NAMED_STRANGERS = 20;

/** Options of the researcher's side of a job. */
export interface JobPeerOptions {
  signaling: SignalingClient;
  jobId: string;
  /** The dataset; undefined if this process cannot serve it (`jobs attach` on another machine). */
  sources: SourceFile[] | undefined;
  /** The hashes of the files on this machine. */
  cache: HashCache;
  /** The only worker to serve, if the job requires one. */
  worker?: string | undefined;
  /** Folder for the results. It is created when they arrive. */
  resultsFolder: string;
  /** Called when a worker is connected, directly or through a relay. */
  onConnected: (worker: string, route: Route) => void;
  onProgress: (progress: TransferProgress) => void;
  onSent: (bytes: number, seconds: number) => void;
  onReceived: (bytes: number, seconds: number) => void;
  onTrouble: (sentence: string) => void;
  /** Called when a peer was refused that has not proven that it has the room's key. */
  onNotProven: (sentence: string) => void;
  signal: AbortSignal;
}

/**
 * Serves a job's dataset and receives its results, from its creation until it is closed. Accepts only connections for its own job
 * from peers that the server lists as workers.
 */
export class JobPeer {
  readonly #options: JobPeerOptions;
  readonly #accepting: { close(): Promise<void> };
  readonly #received = Promise.withResolvers<void>();
  #workerHasData = false;
  #receiving = 0;
  #hasResults = false;
  #isClosed = false;
  /** Peers that were refused and named to the researcher already. */
  readonly #refused = new Set<string>();

  constructor(options: JobPeerOptions) {
    this.#options = options;
    this.#accepting = acceptTransfers(options.signaling, (channel, connection) => this.#serve(channel, connection), {
      onNotProven: ({ message }) => this.#notProven(message),
      accept: ({ purpose }) =>
        purpose.job_id === options.jobId &&
        (purpose.kind === 'results' || (purpose.kind === 'dataset' && options.sources !== undefined)),
    });
  }

  /** True once a worker has confirmed the complete dataset. */
  get workerHasData(): boolean {
    return this.#workerHasData;
  }

  /** Waits until results that are being received are complete. @returns true if they are complete within the time limit */
  async settle(ms: number): Promise<boolean> {
    if (this.#hasResults || this.#receiving === 0) return this.#hasResults;
    await Promise.race([this.#received.promise, pause(ms, this.#options.signal)]);
    return this.#hasResults;
  }

  /** Ends the connections and accepts no more. Safe to call twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
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
      if (!this.#options.signal.aborted && !this.#isClosed) this.#options.onTrouble(`${error.message} [${error.code}]`);
    }
  }

  /** A stranger may try as often as it likes, but is named once. */
  #notProven(sentence: string): void {
    if (this.#refused.has(sentence) || this.#refused.size >= MAX_NAMED_STRANGERS) return;
    this.#refused.add(sentence);
    this.#options.onNotProven(sentence);
  }

  /** @throws SleapRtcError NOT_ALLOWED if the server does not list the peer as a worker of this job */
  async #refuseStrangers(peerId: string): Promise<void> {
    const { signaling, worker, signal } = this.#options;
    const workers = await signaling.discoverPeers({ role: 'worker' }, { signal });
    const allowed = workers.some((peer) => peer.peer_id === peerId) && (worker === undefined || worker === peerId);
    if (!allowed) throw new SleapRtcError('NOT_ALLOWED', `${peerId} is not a worker of this job and was refused.`);
  }

  async #send(channel: TransferChannel): Promise<void> {
    const { sources = [], cache, onProgress, onSent, signal } = this.#options;
    const started = Date.now();
    await sendFiles(channel, sources, { cache, signal, onProgress });
    this.#workerHasData = true;
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
