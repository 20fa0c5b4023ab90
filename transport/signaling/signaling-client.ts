import { setTimeout as delay } from 'node:timers/promises';
import type { pino } from 'pino';
import { type ErrorCode, isErrorCode, SleapRtcError, toSleapRtcError } from '../../protocol/errors.ts';
import type { PeerFilters } from '../../protocol/filters.ts';
import type { WorkerProgress } from '../../protocol/job-view.ts';
import type { PeerPayload } from '../../protocol/peer-messages.ts';
import type { RoomKey } from '../../protocol/room-key.ts';
import type {
  ClientMessage,
  IceServer,
  PeerInfo,
  PeerMetadata,
  Role,
  ServerMessage,
} from '../../protocol/signaling.ts';
import { within } from '../async/abort.ts';
import { type EngineChooser, loadEngines } from '../engine-choice/choose-engine.ts';
import type { WebRtcChoice } from '../engine-choice/web-rtc-choice.ts';
import type { Engine } from '../engines/engine.ts';
import type { IceTransportPolicy } from '../ice/ice-transport-policy.ts';
import { RECONNECT_FIRST_MS, RECONNECT_LONGEST_MS, REQUEST_TIMEOUT_MS } from './limits.ts';
import { SignalingSocket } from './signaling-socket.ts';

/** How to reach the server and who to be there. */
export interface SignalingClientOptions {
  /** `http(s)://host:port` of the signaling server. */
  serverUrl: string;
  roomId: string;
  /** The room's token. */
  token: string;
  /** The room's key, for connections to peers; it is not sent to the server. Without it there are none. */
  roomKey?: RoomKey | undefined;
  /** Gives a valid identity token; asked again before each registration, since tokens expire. */
  idToken: () => Promise<string>;
  peerId: string;
  role: Role;
  metadata: PeerMetadata;
  /** Default: `all`. */
  iceTransportPolicy?: IceTransportPolicy;
  /** Which WebRTC stack connections of this peer use. Default: `auto`. */
  webRtc?: WebRtcChoice;
  /** Aborting closes the client. */
  signal?: AbortSignal;
  logger?: pino.Logger;
}

type Received<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>;
type Registered = Received<'registered_auth'>;
/** `Omit` that keeps the members of a union apart. */
type WithoutId<Message> = Message extends unknown ? Omit<Message, 'request_id'> : never;
type Request = WithoutId<Exclude<ClientMessage, { type: 'register' | 'ping' }>>;

/** A message on the way to a connection: passed on to `target` by the server as it is. */
export type RelayMessage = Extract<Request, { type: 'offer' | 'answer' | 'candidate' }>;

/** What a SignalingClient tells its listeners. */
export interface SignalingEvents {
  peer_message: Received<'peer_message'>;
  offer: Received<'offer'>;
  answer: Received<'answer'>;
  candidate: Received<'candidate'>;
  peer_joined: Received<'peer_joined'>;
  peer_left: Received<'peer_left'>;
  peer_updated: Received<'peer_updated'>;
  job_event: Received<'job_event'>;
  /** A subscription was answered. `jobs`: the present state; null if what was missed follows as `job_event`s. */
  jobs_subscribed: Received<'jobs_subscribed'>;
  /** Registered again after a break; `peers` is everyone else in the room now. */
  connected: { peers: PeerInfo[] };
  /** The line broke; it is being restored. */
  disconnected: { error: SleapRtcError };
  /** The server does not let this peer in again, for a reason that trying again does not cure; it is tried all the same. */
  refused: { error: SleapRtcError };
}

type Listener = (value: never) => void;
interface Pending {
  message: ClientMessage;
  reply: PromiseWithResolvers<ServerMessage>;
}

/**
 * A peer's presence in a room: its line to the signaling server. After a break it reconnects by itself, with growing and
 * jittered pauses, for as long as it is not closed; requests made meanwhile wait, for at most 10 s.
 */
export class SignalingClient implements AsyncDisposable {
  readonly peerId: string;
  readonly logger: pino.Logger | undefined;
  readonly #options: SignalingClientOptions;
  readonly #chooseEngine: EngineChooser;
  readonly #abort = new AbortController();
  readonly #listeners = new Map<keyof SignalingEvents, Set<Listener>>();
  /** Requests without a reply yet; sent again after a break, so the server may see one twice. */
  readonly #pending = new Map<string, Pending>();
  #metadata: PeerMetadata;
  #socket: SignalingSocket | undefined;
  #iceServers: IceServer[] = [];
  #requests = 0;
  #reconnecting: Promise<void> | undefined;
  /** The jobs that are followed, and the newest event of them. */
  #jobs: { jobId: string | undefined; seq: number | undefined } | undefined;

  private constructor(options: SignalingClientOptions, chooseEngine: EngineChooser) {
    this.#options = options;
    this.#chooseEngine = chooseEngine;
    this.peerId = options.peerId;
    this.logger = options.logger;
    this.#metadata = options.metadata;
  }

  /**
   * Connects and registers. The caller closes the client.
   * @throws SleapRtcError SERVER_UNREACHABLE, or the code with which the server refused: ROOM_UNKNOWN, ROOM_EXPIRED,
   * TOKEN_REFUSED, SIGN_IN_REQUIRED, PEER_ID_TAKEN; USAGE where the WebRTC stack that is asked for can't be loaded
   */
  static async connect(options: SignalingClientOptions): Promise<SignalingClient> {
    options.signal?.throwIfAborted();
    // Loaded now, so that a stack that is not there is told of before a job begins.
    const client = new SignalingClient(options, await loadEngines(options.webRtc ?? 'auto'));
    const onAbort = () => void client.close();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    client.#abort.signal.addEventListener('abort', () => options.signal?.removeEventListener('abort', onAbort));
    try {
      await client.#register();
      return client;
    } catch (error) {
      await client.close();
      options.signal?.throwIfAborted();
      throw toSleapRtcError(error);
    }
  }

  /** With which the peers of a connection prove themselves to each other. @throws SleapRtcError PEER_NOT_PROVEN without one */
  get roomKey(): RoomKey {
    if (this.#options.roomKey !== undefined) return this.#options.roomKey;
    throw new SleapRtcError('PEER_NOT_PROVEN', `${this.peerId} has no room key, so it can connect to nobody.`);
  }

  /** Which paths connections of this peer may take. */
  get iceTransportPolicy(): IceTransportPolicy {
    return this.#options.iceTransportPolicy ?? 'all';
  }

  /** STUN and TURN servers as given at the last registration; their credentials expire. */
  get iceServers(): readonly IceServer[] {
    return this.#iceServers;
  }

  /**
   * The WebRTC stack for a connection of this peer. `failedBefore`: one to the same peer has just failed. `tolerant`: it should
   * bear loss.
   */
  engine({ failedBefore = false, tolerant = false } = {}): Engine {
    return this.#chooseEngine({ iceServers: this.#iceServers, failedBefore, tolerant });
  }

  get connected(): boolean {
    return this.#socket !== undefined;
  }

  /** Calls `listener` at each event until the returned function is called. What it throws is logged. */
  on<Name extends keyof SignalingEvents>(event: Name, listener: (value: SignalingEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** The peers of the room, other than this one, that meet the filters. */
  async discoverPeers(filters: PeerFilters, options: { signal?: AbortSignal } = {}): Promise<PeerInfo[]> {
    const reply = await this.#request({ type: 'discover_peers', filters }, options.signal);
    return reply.type === 'peer_list' ? reply.peers : [];
  }

  /**
   * Passes a payload to one peer, or with `EVERYONE` to all others; resolves when the server has passed it on.
   * @throws SleapRtcError PEER_UNKNOWN where the peer is not in the room
   */
  async sendPeerMessage(toPeerId: string, payload: PeerPayload): Promise<void> {
    await this.#request({ type: 'peer_message', to_peer_id: toPeerId, payload });
  }

  /**
   * Follows the room's jobs, or one of them: `jobs_subscribed`, then a `job_event` for every change. After a break it goes on
   * with what was missed. Resolves when the server has answered.
   */
  async subscribeJobs(jobId?: string): Promise<void> {
    this.#jobs = { jobId, seq: undefined };
    await this.#subscribe();
  }

  /** Reports on the job whose session this worker holds. @throws SleapRtcError NOT_ALLOWED if this peer is not a worker */
  async reportProgress(sessionId: string, progress: WorkerProgress): Promise<void> {
    await this.#request({ type: 'job_progress', session_id: sessionId, progress });
  }

  /** Passes on a part of a connection's negotiation. */
  async relay(message: RelayMessage): Promise<void> {
    await this.#request(message);
  }

  /** Replaces what others see of this peer; kept, and sent again after a break. */
  async updateMetadata(metadata: PeerMetadata): Promise<void> {
    this.#metadata = metadata;
    await this.#request({ type: 'update_metadata', metadata });
  }

  /** Leaves the room. Requests without a reply fail. */
  async close(): Promise<void> {
    this.#abort.abort();
    this.#listeners.clear();
    this.#socket?.close();
    for (const { reply } of this.#pending.values()) {
      reply.reject(new SleapRtcError('SERVER_UNREACHABLE', 'The connection to the signaling server was closed.'));
    }
    await this.#reconnecting;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #subscribe(): Promise<void> {
    const { jobId: job_id, seq: since_seq } = this.#jobs ?? {};
    await this.#request({
      type: 'subscribe_jobs',
      ...(job_id === undefined ? {} : { job_id }),
      ...(since_seq === undefined ? {} : { since_seq }),
    });
  }

  /** Subscribes again after a break, until the server has answered or another break comes. */
  async #resubscribe(): Promise<void> {
    while (this.#jobs !== undefined && this.connected) {
      try {
        await this.#subscribe();
        return;
      } catch (error) {
        this.logger?.warn({ error: String(error) }, 'the server has not answered the subscription; trying again');
      }
    }
  }

  async #request(request: Request, signal?: AbortSignal): Promise<ServerMessage> {
    if (this.#abort.signal.aborted) {
      throw new SleapRtcError('SERVER_UNREACHABLE', 'The connection to the signaling server is closed.');
    }
    this.#requests += 1;
    const requestId = String(this.#requests);
    const pending: Pending = {
      message: { ...request, request_id: requestId },
      reply: Promise.withResolvers<ServerMessage>(),
    };
    this.#pending.set(requestId, pending);
    this.#socket?.send(pending.message);
    try {
      return await within(pending.reply.promise, {
        signal,
        timeoutMs: REQUEST_TIMEOUT_MS,
        onTimeout: () =>
          new SleapRtcError('SERVER_UNREACHABLE', `The signaling server did not answer ${request.type} in time.`),
      });
    } finally {
      this.#pending.delete(requestId);
    }
  }

  /** Opens a socket and registers on it; resolves when the server has taken the registration. */
  async #register(): Promise<Registered> {
    const limits = {
      signal: this.#abort.signal,
      timeoutMs: REQUEST_TIMEOUT_MS,
      onTimeout: () => new SleapRtcError('SERVER_UNREACHABLE', 'The signaling server did not answer in time.'),
    };
    const idToken = await within(this.#options.idToken(), limits);
    const registration = Promise.withResolvers<Registered>();
    let registered = false;
    const socket = new SignalingSocket(this.#options.serverUrl, {
      opened: () => {
        const { peerId, roomId, role, token } = this.#options;
        socket.send({
          type: 'register',
          request_id: 'register',
          peer_id: peerId,
          room_id: roomId,
          role,
          token,
          id_token: idToken,
          metadata: this.#metadata,
        });
      },
      message: (message) => {
        if (registered) this.#receive(message);
        else if (message.type === 'error') registration.reject(refusal(message));
        else if (message.type === 'registered_auth') {
          registered = true;
          this.#socket = socket;
          this.#iceServers = message.ice_servers;
          socket.watch();
          registration.resolve(message);
        }
      },
      closed: (error) => {
        if (registered) this.#lost(error);
        else registration.reject(error);
      },
    });
    try {
      return await within(registration.promise, limits);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  #lost(error: SleapRtcError): void {
    this.#socket = undefined;
    if (this.#abort.signal.aborted) return;
    this.logger?.warn({ error: error.message }, 'signaling server lost; reconnecting');
    this.#emit('disconnected', { error });
    this.#reconnecting = this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#abort;
    for (let pauseMs = RECONNECT_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, RECONNECT_LONGEST_MS)) {
      try {
        // Jitter keeps a room's peers from storming a restarted server at the same moment.
        await delay(pauseMs * (0.5 + Math.random()), undefined, { signal });
        const { peer_list } = await this.#register();
        this.logger?.info('signaling server is back');
        for (const { message } of this.#pending.values()) this.#socket?.send(message);
        void this.#resubscribe();
        this.#emit('connected', { peers: peer_list });
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.logger?.debug({ error: String(error) }, 'signaling server is still unavailable');
        if (isRefusal(error)) this.#emit('refused', { error });
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
        this.#emit(message.type, message);
        break;
      case 'job_event':
        this.#followed(message.seq);
        this.#emit(message.type, message);
        break;
      case 'jobs_subscribed':
        this.#followed(message.seq);
        this.#emit(message.type, message);
        this.#settle(message, this.#pending.get(message.request_id ?? ''));
        break;
      default:
        this.#settle(message, this.#pending.get(message.request_id ?? ''));
    }
  }

  #followed(seq: number): void {
    if (this.#jobs !== undefined) this.#jobs.seq = seq;
  }

  #settle(message: ServerMessage, pending: Pending | undefined): void {
    if (message.type !== 'error') pending?.reply.resolve(message);
    else if (pending !== undefined) pending.reply.reject(refusal(message));
    else this.logger?.warn({ code: message.code, message: message.message }, 'signaling server complains');
  }

  #emit<Name extends keyof SignalingEvents>(event: Name, value: SignalingEvents[Name]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        // The map is typed by its only writer, `on`.
        listener(value as never);
      } catch (error) {
        this.logger?.error({ event, error: String(error) }, 'a signaling listener failed');
      }
    }
  }
}

function isRefusal(error: unknown): error is SleapRtcError {
  const codes: ErrorCode[] = ['ROOM_UNKNOWN', 'ROOM_EXPIRED', 'TOKEN_REFUSED'];
  return error instanceof SleapRtcError && codes.includes(error.code);
}

function refusal({ code, message }: Received<'error'>): SleapRtcError {
  return new SleapRtcError(isErrorCode(code) ? code : 'SERVER_ERROR', message);
}
