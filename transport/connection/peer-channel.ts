import { SleapRtcError } from '../../protocol/errors.ts';
import { MessageQueue } from '../async/message-queue.ts';
import { within } from '../async/within.ts';
import { type EngineChannel, SEND_BUFFER_BYTES } from '../engines/engine.ts';
import type { DataChannel } from './connection.ts';
import { CHANNEL_CLOSE_TIMEOUT_MS, MAX_UNREAD_BYTES } from './limits.ts';

/** Last message of either side (ASCII "end of transmission"). Messages arrive in order, so all earlier ones have arrived too. */
const END_OF_CHANNEL = '\u0004';

/** A DataChannel on a channel of any WebRTC stack. */
export class PeerChannel implements DataChannel {
  readonly label: string;
  readonly maxMessageBytes: number;
  readonly messages: AsyncIterable<string | Uint8Array>;
  readonly closed: Promise<void>;
  /** Resolves when the channel is open. Rejects with PEER_GONE if the channel ends before that. */
  readonly opened: Promise<void>;
  readonly #channel: EngineChannel;
  readonly #queue = new MessageQueue<string | Uint8Array>((data) => {
    this.#unreadBytes -= data.length;
  });
  readonly #opening = Promise.withResolvers<void>();
  readonly #ending = Promise.withResolvers<void>();
  readonly #onReceived: () => void;
  #unreadBytes = 0;
  #ended: SleapRtcError | undefined;
  #closing: Promise<void> | undefined;
  #wakeSenders: PromiseWithResolvers<void> | undefined;

  /** @param onReceived called for each message, as a sign that the peer lives */
  constructor(channel: EngineChannel, maxMessageBytes: number, onReceived: () => void) {
    this.label = channel.label;
    this.maxMessageBytes = maxMessageBytes;
    this.#channel = channel;
    this.#onReceived = onReceived;
    this.messages = this.#queue;
    this.opened = this.#opening.promise;
    this.opened.catch(() => undefined);
    this.closed = this.#ending.promise;
    channel.listen({
      open: () => this.#opening.resolve(),
      message: (data) => this.#receive(data),
      drained: () => this.#wake(),
      closed: () => this.end(new SleapRtcError('PEER_GONE', `The channel ${this.label} was cut.`)),
    });
    if (channel.isOpen) this.#opening.resolve();
  }

  async send(data: string | Uint8Array, options: { signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#closing !== undefined) throw new SleapRtcError('PEER_GONE', `The channel ${this.label} is closed.`);
    const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
    if (bytes === 0 || bytes > this.maxMessageBytes || data === END_OF_CHANNEL) {
      throw new SleapRtcError('INTERNAL', `A message of ${bytes} bytes cannot be sent on a channel.`);
    }
    this.#channel.send(data);
    while (this.#channel.bufferedBytes >= SEND_BUFFER_BYTES) {
      this.#wakeSenders ??= Promise.withResolvers<void>();
      await within(this.#wakeSenders.promise, { signal: options.signal });
      if (this.#ended !== undefined) throw this.#ended;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#sendEnd();
    return this.#closing;
  }

  /** Ends the channel at once. The reader gets what has arrived, and then `error`, or a normal end if there is none. */
  end(error?: SleapRtcError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error ?? new SleapRtcError('PEER_GONE', `The channel ${this.label} is closed.`);
    this.#queue.end(error);
    this.#opening.reject(this.#ended);
    this.#wake();
    this.#channel.close();
    this.#ending.resolve();
  }

  /** Sends the end and waits for the other side's. Then everything has arrived in both directions. */
  async #sendEnd(): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#queue.end();
    if (!this.#channel.isOpen) return this.end();
    this.#channel.send(END_OF_CHANNEL);
    const timer = setTimeout(() => this.end(), CHANNEL_CLOSE_TIMEOUT_MS);
    await this.closed;
    clearTimeout(timer);
  }

  #receive(data: string | Uint8Array): void {
    this.#onReceived();
    if (data === END_OF_CHANNEL) {
      if (this.#closing === undefined) this.#closing = this.#sendEnd();
      else this.end();
      return;
    }
    this.#unreadBytes += data.length;
    if (this.#unreadBytes <= MAX_UNREAD_BYTES) this.#queue.push(data);
    else this.end(new SleapRtcError('TRANSFER_FAILED', `The peer sent too much at once on the channel ${this.label}.`));
  }

  #wake(): void {
    this.#wakeSenders?.resolve();
    this.#wakeSenders = undefined;
  }
}
