import { setTimeout as delay } from 'node:timers/promises';
import type { pino } from 'pino';
import { type ErrorCode, SleapRtcError, toSleapRtcError } from '../../protocol/errors.ts';
import type { WorkerProgress } from '../../protocol/jobs/job-view.ts';
import type { RoomKey } from '../../protocol/room-key.ts';
import type { PeerFilters } from '../../protocol/wire/filters.ts';
import type { PeerPayload } from '../../protocol/wire/peer-messages.ts';
import type { ClientMessage, IceServer, PeerInfo, PeerMetadata, ServerMessage } from '../../protocol/wire/signaling.ts';
import { type EngineChooser, loadEngines } from '../engine-choice/choose-engine.ts';
import type { WebRtcChoice } from '../engine-choice/web-rtc-choice.ts';
import type { Engine } from '../engines/engine.ts';
import type { IceTransportPolicy } from '../ice/ice-transport-policy.ts';
import { JobSubscription } from './job-subscription.ts';
import { FIRST_RECONNECT_PAUSE_MS, LONGEST_RECONNECT_PAUSE_MS } from './limits.ts';
import { PendingRequests, type Request } from './pending-requests.ts';
import { type Registration, register } from './register.ts';
import { type Received, type SignalingEvents, SignalingListeners } from './signaling-events.ts';
import type { SignalingSocket } from './signaling-socket.ts';

/** How to reach the server and which peer to be. */
export interface SignalingClientOptions extends Registration {
  /** The room's key, for connections to peers. The server does not get it. Without it no connection is possible. */
  roomKey?: RoomKey | undefined;
  /** Default: `all`. */
  iceTransportPolicy?: IceTransportPolicy;
  /** The WebRTC stack for connections of this peer. Default: `auto`. */
  webRtc?: WebRtcChoice;
  /** Aborting closes the client. */
  signal?: AbortSignal;
  logger?: pino.Logger;
}

/** A message that the server forwards to `target`, to negotiate a connection. */
export type RelayMessage = Extract<Request, { type: 'offer' | 'answer' | 'candidate' }>;

/**
 * A peer's connection to the signaling server, which makes the peer present in a room. If the connection is lost, the client
 * reconnects until it is closed, with growing, jittered pauses. Requests made in the meantime wait for at most 10 s.
 */
export class SignalingClient {
  readonly peerId: string;
  readonly logger: pino.Logger | undefined;
  readonly #options: SignalingClientOptions;
  readonly #chooseEngine: EngineChooser;
  readonly #abort = new AbortController();
  readonly #listeners: SignalingListeners;
  readonly #pending = new PendingRequests();
  readonly #jobs = new JobSubscription((request) => this.#request(request));
  #metadata: PeerMetadata;
  #socket: SignalingSocket | undefined;
  #iceServers: IceServer[] = [];
  #reconnecting: Promise<void> | undefined;

  private constructor(options: SignalingClientOptions, chooseEngine: EngineChooser) {
    this.#options = options;
    this.#chooseEngine = chooseEngine;
    this.peerId = options.peerId;
    this.logger = options.logger;
    this.#listeners = new SignalingListeners(options.logger);
    this.#metadata = options.metadata;
  }

  /**
   * Connects and registers. The caller closes the client.
   * @throws SleapRtcError SERVER_UNREACHABLE, or the code with which the server refuses: ROOM_EXPIRED,
   * TOKEN_REFUSED, SIGN_IN_REQUIRED, PEER_ID_TAKEN; USAGE if the chosen WebRTC stack cannot be loaded
   */
  static async connect(options: SignalingClientOptions): Promise<SignalingClient> {
    options.signal?.throwIfAborted();
    // A stack that is missing is reported now, before a job begins.
    const client = new SignalingClient(options, await loadEngines(options.webRtc ?? 'auto'));
    const onAbort = () => void client.close();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    client.#abort.signal.addEventListener('abort', () => options.signal?.removeEventListener('abort', onAbort));
    try {
      await client.#registerFirst();
      return client;
    } catch (error) {
      await client.close();
      options.signal?.throwIfAborted();
      throw toSleapRtcError(error);
    }
  }

  /** The key that the peers of a connection prove to each other. @throws SleapRtcError PEER_NOT_PROVEN if there is none */
  get roomKey(): RoomKey {
    if (this.#options.roomKey !== undefined) return this.#options.roomKey;
    throw new SleapRtcError('PEER_NOT_PROVEN', `${this.peerId} has no room key, so it cannot connect to any peer.`);
  }

  /** Which paths connections of this peer may use. */
  get iceTransportPolicy(): IceTransportPolicy {
    return this.#options.iceTransportPolicy ?? 'all';
  }

  /** The STUN and TURN servers that the server named last. Their credentials expire; it sends new ones in time. */
  get iceServers(): readonly IceServer[] {
    return this.#iceServers;
  }

  /** Chooses the WebRTC stack for a connection. `failedBefore`: a connection to the same peer has just failed. */
  engine({ failedBefore = false } = {}): Engine {
    return this.#chooseEngine({ iceServers: this.#iceServers, failedBefore });
  }

  get connected(): boolean {
    return this.#socket !== undefined;
  }

  /** Calls `listener` at each event until the returned function is called. An error that it throws is logged. */
  on<Name extends keyof SignalingEvents>(event: Name, listener: (value: SignalingEvents[Name]) => void): () => void {
    return this.#listeners.on(event, listener);
  }

  /** Finds the other peers of the room that match the filters. */
  async discoverPeers(filters: PeerFilters, options: { signal?: AbortSignal } = {}): Promise<PeerInfo[]> {
    const reply = await this.#request({ type: 'discover_peers', filters }, options.signal);
    return reply.type === 'peer_list' ? reply.peers : [];
  }

  /**
   * Sends a payload to one peer, or with `EVERYONE` to all others. Resolves when the server has forwarded it.
   * @throws SleapRtcError PEER_UNKNOWN if the peer is not in the room
   */
  async sendPeerMessage(toPeerId: string, payload: PeerPayload): Promise<void> {
    await this.#request({ type: 'peer_message', to_peer_id: toPeerId, payload });
  }

  /**
   * Follows the room's jobs, or one of them: `jobs_subscribed`, then a `job_event` for every change. After a break it continues with
   * the events that were missed. Resolves when the server has answered.
   */
  async subscribeJobs(jobId?: string): Promise<void> {
    await this.#jobs.start(jobId);
  }

  /** Reports on the job whose session this worker has. @throws SleapRtcError NOT_ALLOWED if this peer is not a worker */
  async reportProgress(sessionId: string, progress: WorkerProgress): Promise<void> {
    await this.#request({ type: 'job_progress', session_id: sessionId, progress });
  }

  /** Sends a message to negotiate a connection. */
  async relay(message: RelayMessage): Promise<void> {
    await this.#request(message);
  }

  /** Replaces what others see of this peer, also after the client has reconnected. */
  async updateMetadata(metadata: PeerMetadata): Promise<void> {
    this.#metadata = metadata;
    await this.#request({ type: 'update_metadata', metadata });
  }

  /** Leaves the room. Requests without a reply fail. */
  async close(): Promise<void> {
    this.#abort.abort();
    this.#listeners.clear();
    this.#socket?.close();
    this.#pending.fail(new SleapRtcError('SERVER_UNREACHABLE', 'The connection to the signaling server was closed.'));
    await this.#reconnecting;
  }

  async #request(request: Request, signal?: AbortSignal): Promise<ServerMessage> {
    if (this.#abort.signal.aborted) {
      throw new SleapRtcError('SERVER_UNREACHABLE', 'The connection to the signaling server is closed.');
    }
    return this.#pending.send(request, (message) => this.#send(message), signal);
  }

  #send(message: ClientMessage): void {
    this.#socket?.send(message);
  }

  /** If the identity is refused, it is renewed, and the server is asked once more. */
  async #registerFirst(): Promise<void> {
    try {
      await this.#register();
    } catch (error) {
      if (codeOf(error) !== 'SIGN_IN_REQUIRED') throw error;
      await this.#register();
    }
  }

  async #register(): Promise<Received<'registered_auth'>> {
    try {
      return await this.#registerOnce();
    } catch (error) {
      if (codeOf(error) === 'SIGN_IN_REQUIRED') this.#options.identity.refused();
      throw error;
    }
  }

  #registerOnce(): Promise<Received<'registered_auth'>> {
    return register(
      { ...this.#options, metadata: this.#metadata },
      {
        registered: (socket, { ice_servers }) => {
          this.#socket = socket;
          this.#iceServers = ice_servers;
        },
        message: (message) => this.#receive(message),
        closed: (error) => this.#lost(error),
      },
      this.#abort.signal,
    );
  }

  #lost(error: SleapRtcError): void {
    this.#socket = undefined;
    if (this.#abort.signal.aborted) return;
    this.logger?.warn({ error: error.message }, 'signaling server lost; reconnecting');
    this.#listeners.emit('disconnected', { error });
    this.#reconnecting = this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#abort;
    for (let pauseMs = FIRST_RECONNECT_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_RECONNECT_PAUSE_MS)) {
      try {
        // With jitter the peers of a room do not all reconnect at the same moment after the server has restarted.
        await delay(pauseMs * (0.5 + Math.random()), undefined, { signal });
        const { peer_list } = await this.#register();
        this.logger?.info('signaling server is back');
        for (const message of this.#pending.messages) this.#send(message);
        void this.#resubscribe();
        this.#listeners.emit('connected', { peers: peer_list });
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (isPermanent(error)) {
          this.logger?.error({ code: error.code, error: error.message }, 'the server refuses this peer');
          this.#listeners.emit('refused', { error });
        } else this.logger?.debug({ error: String(error) }, 'signaling server is still unavailable');
      }
    }
  }

  /** Subscribes again after a break, until the server has answered or another break comes. */
  async #resubscribe(): Promise<void> {
    while (this.#jobs.isActive && this.connected) {
      try {
        await this.#jobs.resume();
        return;
      } catch (error) {
        this.logger?.warn({ error: String(error) }, 'the server has not answered the subscription; trying again');
      }
    }
  }

  #receive(message: ServerMessage): void {
    switch (message.type) {
      case 'peer_message':
      case 'offer':
      case 'answer':
      case 'candidate':
      case 'peer_joined':
      case 'peer_left':
      case 'peer_updated':
        this.#listeners.emit(message.type, message);
        break;
      case 'ice_servers':
        this.#iceServers = message.ice_servers;
        this.#listeners.emit(message.type, message);
        break;
      case 'job_event':
        this.#jobs.received(message.seq);
        this.#listeners.emit(message.type, message);
        break;
      case 'jobs_subscribed':
        this.#jobs.received(message.seq);
        this.#listeners.emit(message.type, message);
        this.#pending.settle(message);
        break;
      default:
        if (!this.#pending.settle(message) && message.type === 'error') {
          this.logger?.warn({ code: message.code, message: message.message }, 'error from the signaling server');
        }
    }
  }
}

/** Whether the server's refusal to register a peer again will not pass. */
function isPermanent(error: unknown): error is SleapRtcError {
  const codes: ErrorCode[] = ['ROOM_EXPIRED', 'TOKEN_REFUSED', 'NOT_ALLOWED', 'PEER_ID_TAKEN'];
  return error instanceof SleapRtcError && codes.includes(error.code);
}

function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof SleapRtcError ? error.code : undefined;
}
