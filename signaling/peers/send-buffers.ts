import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import type { ServerMessage } from '../../protocol/wire/signaling.ts';
import { BUFFERED_LIMIT_BYTES, BUFFERED_PROGRESS_BYTES } from './limits.ts';

/** Messages as they go out. A message for many is serialized once, as long as the same object is sent to all of them. */
const serialized = new WeakMap<ServerMessage, Buffer>();

function serialize(message: ServerMessage): Buffer {
  const known = serialized.get(message);
  if (known !== undefined) return known;
  const bytes = Buffer.from(JSON.stringify(message));
  serialized.set(message, bytes);
  return bytes;
}

/**
 * Sends messages to sockets, and limits what waits for slow readers: each of them may leave some megabytes unread, and all together
 * a budget. If it is used up, those with the most unread bytes are cut off; they may connect again.
 */
export class SendBuffers {
  readonly #budgetBytes: number;
  readonly #logger: Logger;
  readonly #unread = new Map<WebSocket, number>();
  #totalBytes = 0;

  constructor(options: { budgetBytes: number; logger: Logger }) {
    this.#budgetBytes = options.budgetBytes;
    this.#logger = options.logger;
  }

  /** Bytes that wait for all readers together. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Sends a message. @param options `droppable` if a reader that is too slow may miss it. @returns its bytes */
  send(socket: WebSocket, message: ServerMessage, { droppable } = { droppable: false }): number {
    if (socket.readyState !== socket.OPEN) return 0;
    const unread = this.#unread.get(socket);
    if (unread === undefined) socket.once('close', () => this.#forget(socket));
    if (droppable && (unread ?? 0) > BUFFERED_PROGRESS_BYTES) return 0;
    const bytes = serialize(message);
    this.#count(socket, bytes.length);
    socket.send(bytes, { binary: false }, () => this.#count(socket, -bytes.length, { isRead: true }));
    if ((this.#unread.get(socket) ?? 0) > BUFFERED_LIMIT_BYTES) this.#cutOff(socket);
    while (this.#totalBytes > this.#budgetBytes) {
      const slowest = this.#slowest();
      if (slowest === undefined) break;
      this.#cutOff(slowest);
    }
    return bytes.length;
  }

  #count(socket: WebSocket, bytes: number, { isRead } = { isRead: false }): void {
    const before = this.#unread.get(socket);
    if (isRead && before === undefined) return;
    this.#unread.set(socket, (before ?? 0) + bytes);
    this.#totalBytes += bytes;
  }

  #slowest(): WebSocket | undefined {
    let slowest: WebSocket | undefined;
    let most = 0;
    for (const [socket, unread] of this.#unread) if (unread > most) [slowest, most] = [socket, unread];
    return slowest;
  }

  #cutOff(socket: WebSocket): void {
    this.#logger.warn({ event: 'peer_too_slow' }, 'a peer reads too slowly and is cut off');
    this.#forget(socket);
    socket.terminate();
  }

  #forget(socket: WebSocket): void {
    this.#totalBytes -= this.#unread.get(socket) ?? 0;
    this.#unread.delete(socket);
  }
}
