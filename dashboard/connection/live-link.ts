/** The page's WebSocket: joins the room with the role `dashboard`, and reconnects automatically. */
import type { ClientMessage, ServerMessage } from '../../protocol/wire/signaling.ts';
import { isRefusal } from './api.ts';
import type { Invite } from './invite.ts';

/** The state of the live connection. `retryAt` is in ms since 1970. */
export type LinkState = { state: 'connecting' } | { state: 'live' } | { state: 'lost'; retryAt: number };

/** Pauses between attempts, in ms. The last one is repeated. */
const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15_000];
/** Pause between two pings, in ms. If the server is silent for twice as long, the connection is lost. */
const PING_MS = 10_000;

/** Options of a live connection. */
export interface LiveLinkOptions {
  /** `ws://host/ws`. */
  url: string;
  invite: Invite;
  /** Returns a valid identity token. It is called for each attempt. */
  idToken: () => Promise<string>;
  /** Called if the server refuses the identity token. */
  onSignedOut: (idToken: string) => void;
  onMessage: (message: ServerMessage) => void;
  onState: (state: LinkState) => void;
  /** Called if the invite does not open the room. The connection has ended. */
  onRefused: () => void;
  waitsMs?: readonly number[];
}

/** One page's connection to a room, from `start` to `stop`. */
export class LiveLink {
  readonly #options: LiveLinkOptions;
  /** A name for this page only, since a copied tab must not replace the other one in the room. */
  readonly #peerId = `dashboard-${randomName()}`;
  #socket: WebSocket | undefined;
  #failures = 0;
  #receivedAt = 0;
  /** The newest event of the room's jobs that the page has; after an interruption the server sends what came later. */
  #seq: number | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #ping: ReturnType<typeof setInterval> | undefined;
  #stopped = false;

  constructor(options: LiveLinkOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.onState({ state: 'connecting' });
    void this.#connect();
  }

  /** Ends a pause between attempts, e.g. because the network is available again. */
  retryNow(): void {
    if (this.#retry === undefined) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    void this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearInterval(this.#ping);
    this.#socket?.close(1000);
  }

  async #connect(): Promise<void> {
    const idToken = await this.#options.idToken().catch(() => undefined);
    if (this.#stopped) return;
    if (idToken === undefined) {
      this.#lost();
      return;
    }
    const socket = new WebSocket(this.#options.url);
    this.#socket = socket;
    socket.addEventListener('open', () => this.#register(socket, idToken));
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket) this.#receive(JSON.parse(String(data)), idToken);
    });
    socket.addEventListener('close', () => {
      if (socket === this.#socket) this.#lost();
    });
  }

  #register(socket: WebSocket, idToken: string): void {
    const { invite } = this.#options;
    const register: ClientMessage = {
      type: 'register',
      peer_id: this.#peerId,
      room_id: invite.room,
      role: 'dashboard',
      token: invite.token,
      id_token: idToken,
      metadata: { tags: [], properties: {} },
    };
    socket.send(JSON.stringify(register));
    this.#receivedAt = Date.now();
    this.#ping = setInterval(() => {
      if (Date.now() - this.#receivedAt > 2 * PING_MS) this.#drop(socket);
      else socket.send(JSON.stringify({ type: 'ping' } satisfies ClientMessage));
    }, PING_MS);
  }

  /** Gives up a socket whose `close` event might take minutes. */
  #drop(socket: WebSocket): void {
    socket.close();
    if (socket === this.#socket) this.#lost();
  }

  #receive(message: ServerMessage, idToken: string): void {
    this.#receivedAt = Date.now();
    if (message.type === 'pong') return;
    if (message.type === 'registered_auth') {
      this.#failures = 0;
      const since = this.#seq === undefined ? {} : { since_seq: this.#seq };
      this.#socket?.send(JSON.stringify({ type: 'subscribe_jobs', ...since } satisfies ClientMessage));
      this.#options.onState({ state: 'live' });
    }
    if (message.type === 'jobs_subscribed' || message.type === 'job_event') this.#seq = message.seq;
    if (message.type === 'error' && isRefusal(message.code)) {
      this.stop();
      this.#options.onRefused();
      return;
    }
    if (message.type === 'error' && message.code === 'SIGN_IN_REQUIRED') this.#options.onSignedOut(idToken);
    this.#options.onMessage(message);
  }

  #lost(): void {
    clearInterval(this.#ping);
    this.#socket = undefined;
    if (this.#stopped) return;
    const waits = this.#options.waitsMs ?? WAITS_MS;
    const longest = waits[Math.min(this.#failures, waits.length - 1)] ?? 0;
    this.#failures += 1;
    // Random, so that not all pages reconnect at the same time after a restart of the server.
    const wait = longest * (0.5 + Math.random() / 2);
    this.#options.onState({ state: 'lost', retryAt: Date.now() + wait });
    this.#retry = setTimeout(() => this.retryNow(), wait);
  }
}

/** Browsers have no `randomUUID` in pages without HTTPS. */
function randomName(): string {
  const numbers = crypto.getRandomValues(new Uint32Array(2));
  return [...numbers].map((number) => number.toString(36)).join('');
}
