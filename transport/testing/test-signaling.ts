import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { ClientMessage, ServerMessage } from '../../protocol/wire/signaling.ts';
import type { SignalingServer } from '../../signaling/server.ts';
import { startMemoryServer } from '../../signaling/testing/memory-server.ts';

type Register = Extract<ClientMessage, { type: 'register' }>;

/** What `startMemoryServer` takes. */
type Options = NonNullable<Parameters<typeof startMemoryServer>[0]>;

/**
 * The real signaling server in memory, and a man in the middle on the way to it: `intercept` sees what peers send each other and
 * may replace it, `hang` lets nothing through in either direction, `drop` cuts all sockets.
 */
export class TestSignaling implements AsyncDisposable {
  /** Every registration that was sent. */
  readonly registrations: Register[] = [];
  /** Returns what the receiver gets instead of a message from another peer; undefined if the message is lost. */
  intercept: (message: ServerMessage) => ServerMessage | undefined = (message) => message;
  hang = false;
  readonly #real: SignalingServer;
  readonly #middle: WebSocketServer;
  readonly #sockets = new Map<string, WebSocket>();

  private constructor(real: SignalingServer, middle: WebSocketServer) {
    this.#real = real;
    this.#middle = middle;
    middle.on('connection', (socket) => this.#join(socket));
  }

  /** @param options `port` of an earlier one, to come back where its peers look for it */
  static async start({ port = 0, ...options }: Options = {}): Promise<TestSignaling> {
    const real = await startMemoryServer(options);
    const middle = new WebSocketServer({ host: '127.0.0.1', port, path: '/ws' });
    await new Promise<void>((resolve, reject) => {
      middle.once('listening', resolve);
      middle.once('error', reject);
    });
    return new TestSignaling(real, middle);
  }

  get port(): number {
    return (this.#middle.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Sends text or a message to a peer, as if it came from the server. */
  sendTo(peerId: string, message: ServerMessage | string): void {
    this.#sockets.get(peerId)?.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  drop(): void {
    for (const socket of this.#middle.clients) socket.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#middle.close(resolve));
    await this.#real.stop();
  }

  /** Joins a peer's socket to one of its own to the real server. */
  #join(peer: WebSocket): void {
    const server = new WebSocket(`${this.#real.url.replace('http', 'ws')}/ws`);
    const unsent: string[] = [];
    server.on('open', () => {
      for (const text of unsent.splice(0)) server.send(text);
    });
    peer.on('message', (data) => {
      if (this.hang) return;
      const text = String(data);
      const { data: message } = ClientMessage.safeParse(JSON.parse(text));
      if (message?.type === 'register') {
        this.registrations.push(message);
        this.#sockets.set(message.peer_id, peer);
      }
      if (server.readyState === server.OPEN) server.send(text);
      else unsent.push(text);
    });
    server.on('message', (data) => {
      const passed = this.hang ? undefined : this.#pass(String(data));
      if (passed !== undefined) peer.send(passed);
    });
    peer.on('close', () => server.terminate());
    server.on('close', (code) => (code < 4000 ? peer.terminate() : peer.close(code)));
    server.on('error', () => peer.terminate());
  }

  #pass(text: string): string | undefined {
    const message = ServerMessage.parse(JSON.parse(text));
    if (!('sender' in message) && message.type !== 'peer_message') return text;
    const passed = this.intercept(message);
    return passed === undefined ? undefined : JSON.stringify(passed);
  }
}
