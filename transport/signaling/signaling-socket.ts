import WebSocket from 'ws';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type ClientMessage, ServerMessage } from '../../protocol/wire/signaling.ts';
import { Liveness } from '../async/liveness.ts';
import {
  MAX_SERVER_MESSAGE_BYTES,
  PING_INTERVAL_MS,
  SERVER_SILENCE_TIMEOUT_MS,
  SOCKET_OPEN_TIMEOUT_MS,
} from './limits.ts';

/** What a socket reports. No handler may throw. */
export interface SignalingSocketHandlers {
  message(message: ServerMessage): void;
  /** Called once, also if the socket never opened. */
  closed(error: SleapRtcError): void;
}

/** One WebSocket to the signaling server. It ends also if the server falls silent. */
export class SignalingSocket {
  readonly #socket: WebSocket;
  readonly #url: string;
  readonly #handlers: SignalingSocketHandlers;
  #liveness: Liveness | undefined;
  #ended = false;

  /** Opens a socket. `opened` is called when messages can be sent. */
  constructor(serverUrl: string, handlers: SignalingSocketHandlers & { opened(): void }) {
    this.#url = serverUrl;
    this.#handlers = handlers;
    this.#socket = new WebSocket(webSocketUrl(serverUrl), {
      handshakeTimeout: SOCKET_OPEN_TIMEOUT_MS,
      maxPayload: MAX_SERVER_MESSAGE_BYTES,
      perMessageDeflate: false,
    });
    this.#socket.on('open', () => {
      if (!this.#ended) handlers.opened();
    });
    this.#socket.on('message', (data) => this.#receive(String(data)));
    this.#socket.on('error', (error) => this.#end(`${this.#url} cannot be reached: ${reasonOf(error)}`, error));
    this.#socket.on('close', (code) => this.#end(`${this.#url} closed the connection (${code})`));
  }

  /** Sends a message. If the socket has just ended, the message is lost, and `closed` is called. */
  send(message: ClientMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Starts to ping the server, and to check that it answers. Call it when the server has accepted the registration. */
  startPings(): void {
    this.#liveness = new Liveness({
      intervalMs: PING_INTERVAL_MS,
      silenceTimeoutMs: SERVER_SILENCE_TIMEOUT_MS,
      beat: () => this.send({ type: 'ping' }),
      onSilent: () => this.#end(`${this.#url} no longer answers`),
    });
  }

  /** Closes the socket. `closed` is called at once. */
  close(): void {
    this.#end('was closed by this side');
  }

  #receive(text: string): void {
    if (this.#ended) return;
    this.#liveness?.received();
    const message = parseServerMessage(text);
    // A newer server may send messages that we do not know.
    if (message !== undefined && message.type !== 'pong') this.#handlers.message(message);
  }

  #end(why: string, cause?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#liveness?.stop();
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.close(1000);
      // A lost server does not finish the closing handshake.
      const timer = setTimeout(() => this.#socket.terminate(), 500);
      this.#socket.once('close', () => clearTimeout(timer));
    } else {
      this.#socket.terminate();
    }
    this.#handlers.closed(new SleapRtcError('SERVER_UNREACHABLE', `The signaling server ${why}.`, { cause }));
  }
}

function webSocketUrl(serverUrl: string): string {
  const url = URL.parse(serverUrl);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new SleapRtcError('SERVER_UNREACHABLE', `"${serverUrl}" is not an http(s) address.`);
  }
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.pathname = `${url.pathname.replace(/\/$/, '')}/ws`;
  return url.href;
}

function parseServerMessage(text: string): ServerMessage | undefined {
  try {
    return ServerMessage.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** If Node has tried several addresses, only `code` says that the connection was refused. */
function reasonOf(error: Error & { code?: string }): string {
  return error.message || error.code || error.name;
}
