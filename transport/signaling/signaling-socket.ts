import WebSocket from 'ws';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type ClientMessage, ServerMessage } from '../../protocol/signaling.ts';
import { Liveness } from '../async/liveness.ts';
import { MAX_SERVER_MESSAGE_BYTES, PING_INTERVAL_MS, SERVER_SILENCE_MS, SOCKET_OPEN_MS } from './limits.ts';

/** Who is told of a socket's life. None of these may throw. */
export interface SignalingSocketHandlers {
  message(message: ServerMessage): void;
  /** Called once, also where the socket never opened. */
  closed(error: SleapRtcError): void;
}

/** One WebSocket to the signaling server, from opening to its end, which a server fallen silent brings about too. */
export class SignalingSocket {
  readonly #socket: WebSocket;
  readonly #url: string;
  readonly #handlers: SignalingSocketHandlers;
  #liveness: Liveness | undefined;
  #ended = false;

  /** Opens a socket; `opened` is called when messages can be sent. */
  constructor(serverUrl: string, handlers: SignalingSocketHandlers & { opened(): void }) {
    this.#url = serverUrl;
    this.#handlers = handlers;
    this.#socket = new WebSocket(webSocketUrl(serverUrl), {
      handshakeTimeout: SOCKET_OPEN_MS,
      maxPayload: MAX_SERVER_MESSAGE_BYTES,
      perMessageDeflate: false,
    });
    this.#socket.on('open', () => {
      if (this.#ended) return;
      handlers.opened();
    });
    this.#socket.on('message', (data) => this.#receive(String(data)));
    this.#socket.on('error', (error) => this.#end(`${this.#url} cannot be reached: ${reasonOf(error)}`, error));
    this.#socket.on('close', (code) => this.#end(`${this.#url} closed the connection (${code})`));
  }

  /** Sends a message; where the socket has just ended it is lost, and `closed` tells. */
  send(message: ClientMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Starts to look for a sign of life from the server; to be called when it has taken the registration. */
  watch(): void {
    this.#liveness = new Liveness({
      intervalMs: PING_INTERVAL_MS,
      silenceMs: SERVER_SILENCE_MS,
      beat: () => this.send({ type: 'ping' }),
      onSilent: () => this.#end(`${this.#url} does not answer any more`),
    });
  }

  /** Closes the socket; `closed` is called at once. */
  close(): void {
    this.#end('was left by this side');
  }

  #receive(text: string): void {
    if (this.#ended) return;
    this.#liveness?.heard();
    const message = parseServerMessage(text);
    // What a newer server says beyond our vocabulary is not for us.
    if (message !== undefined && message.type !== 'pong') this.#handlers.message(message);
  }

  #end(why: string, cause?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#liveness?.[Symbol.dispose]();
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.close(1000);
      // A server that is gone does not finish the closing handshake.
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

/** Node names a refused connection in `code` only where several addresses were tried. */
function reasonOf(error: Error & { code?: string }): string {
  return error.message || error.code || error.name;
}
