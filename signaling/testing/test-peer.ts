import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { ClientMessage } from '../../protocol/wire/signaling.ts';
import { ServerMessage } from '../../protocol/wire/signaling.ts';

type OfType<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>;

/** How long a test waits for a message before it fails. */
const WAIT_MS = 5000;

/** A WebSocket to the signaling server that records all messages. Every message is checked against the protocol. */
export class TestPeer {
  readonly socket: WebSocket;
  readonly received: ServerMessage[] = [];
  /** The close code and reason, once it is closed. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
    socket.on('message', (data) => {
      this.received.push(ServerMessage.parse(JSON.parse(String(data))));
      for (const look of this.#waiting) look();
    });
    socket.on('error', () => undefined);
  }

  /** Opens a socket. Sends nothing yet. */
  static async open(serverUrl: string, options: { autoPong?: boolean } = {}): Promise<TestPeer> {
    const peer = new TestPeer(new WebSocket(`${serverUrl.replace('http', 'ws')}/ws`, options));
    await once(peer.socket, 'open');
    return peer;
  }

  /** Opens a socket and registers. */
  static async join(
    serverUrl: string,
    register: Omit<Extract<ClientMessage, { type: 'register' }>, 'type' | 'metadata' | 'role'> &
      Partial<Pick<Extract<ClientMessage, { type: 'register' }>, 'metadata' | 'role'>>,
    options: { autoPong?: boolean } = {},
  ): Promise<TestPeer> {
    const peer = await TestPeer.open(serverUrl, options);
    peer.send({ type: 'register', role: 'client', metadata: { tags: [], properties: {} }, ...register });
    const reply = await peer.next((m) => m.type === 'registered_auth' || m.type === 'error');
    if (reply.type === 'error') throw Object.assign(new Error(reply.message), { code: reply.code });
    return peer;
  }

  /** Sends a message as it is, or any text. */
  send(message: ClientMessage | string | Buffer): void {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  /** Removes and returns the first message that meets the condition, received already or not. */
  async next(wanted: (message: ServerMessage) => boolean): Promise<ServerMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<ServerMessage>();
    const look = () => {
      const index = this.received.findIndex(wanted);
      const [found] = index < 0 ? [] : this.received.splice(index, 1);
      if (found !== undefined) resolve(found);
    };
    const late = setTimeout(() => reject(new Error(`no such message; got ${JSON.stringify(this.received)}`)), WAIT_MS);
    this.#waiting.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(look);
    }
  }

  /** The next message of a type. */
  async nextOf<Type extends ServerMessage['type']>(type: Type): Promise<OfType<Type>> {
    return (await this.next((message) => message.type === type)) as OfType<Type>;
  }

  /** Waits until everything that the server has sent so far has arrived: replies come in order. */
  async settled(): Promise<void> {
    const request_id = `settle-${Math.random()}`;
    this.send({ type: 'ping', request_id });
    await this.next((message) => message.type === 'pong' && message.request_id === request_id);
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }
}
