/** The page's WebSocket: in the room as role `dashboard`, and back in it by itself after every interruption. */
import type { ClientMessage, ServerMessage } from '../protocol/signaling.ts';
import { isRefusal } from './api.ts';
import type { Invite } from './invite.ts';

/** How it stands with the live connection; `retryAt` in ms since 1970. */
export type LinkState = { state: 'connecting' } | { state: 'live' } | { state: 'lost'; retryAt: number };

/** Waits between attempts, in ms; the last one is repeated. */
const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15_000];
/** The server is pinged this often; silence for twice as long means that the network is gone. */
const PING_MS = 10_000;

/** What a link needs and tells. */
export interface LiveLinkOptions {
  /** `ws://host/ws`. */
  url: string;
  invite: Invite;
  /** A valid identity token; called for each attempt. */
  idToken: () => Promise<string>;
  /** The identity token is no longer accepted. */
  onSignedOut: (idToken: string) => void;
  onMessage: (message: ServerMessage) => void;
  onState: (state: LinkState) => void;
  /** The room is shut for this invite; the link has ended. */
  onRefused: () => void;
  waitsMs?: readonly number[];
}

/** One page's presence in a room, from `start` to `stop`. */
export class LiveLink {
  readonly #options: LiveLinkOptions;
  /** A name of this page's own: a copied tab must not push the other one out. */
  readonly #peerId = `dashboard-${randomName()}`;
  #socket: WebSocket | undefined;
  #failures = 0;
  #heardAt = 0;
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

  /** Tries at once where it is waiting, e.g. because the network is back. */
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
      if (socket === this.#socket) this.#hear(JSON.parse(String(data)), idToken);
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
    this.#heardAt = Date.now();
    this.#ping = setInterval(() => {
      if (Date.now() - this.#heardAt > 2 * PING_MS) this.#drop(socket);
      else socket.send(JSON.stringify({ type: 'ping' } satisfies ClientMessage));
    }, PING_MS);
  }

  /** Gives up on a socket whose close might take minutes to be noticed. */
  #drop(socket: WebSocket): void {
    socket.close();
    if (socket === this.#socket) this.#lost();
  }

  #hear(message: ServerMessage, idToken: string): void {
    this.#heardAt = Date.now();
    if (message.type === 'pong') return;
    if (message.type === 'registered_auth') {
      this.#failures = 0;
      this.#options.onState({ state: 'live' });
    }
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
    // Spread, so that all pages of a restarted server do not come back in the same moment.
    const wait = longest * (0.5 + Math.random() / 2);
    this.#options.onState({ state: 'lost', retryAt: Date.now() + wait });
    this.#retry = setTimeout(() => this.retryNow(), wait);
  }
}

/** Not by `randomUUID`, which browsers keep from pages without HTTPS. */
function randomName(): string {
  const numbers = crypto.getRandomValues(new Uint32Array(2));
  return [...numbers].map((number) => number.toString(36)).join('');
}
