import type { DataChannel } from 'node-datachannel';
import { type EngineChannel, type EngineChannelHandlers, SEND_BUFFER_BYTES } from '../engine.ts';
import { safely } from './safely.ts';

/** A channel reports that it is drained when its buffer has fallen to this, in bytes: half full, so that it never runs empty. */
const LOW_WATER_BYTES = SEND_BUFFER_BYTES / 2;

/** A channel of libdatachannel. */
export class LibdatachannelChannel implements EngineChannel {
  readonly label: string;
  readonly #channel: DataChannel;
  readonly #incoming: boolean;
  #handlers: EngineChannelHandlers | undefined;
  #closed = false;

  constructor(channel: DataChannel, { incoming = false } = {}) {
    this.#channel = channel;
    this.#incoming = incoming;
    this.label = channel.getLabel();
  }

  get isOpen(): boolean {
    return this.#channel.isOpen();
  }

  get bufferedBytes(): number {
    return this.#channel.bufferedAmount();
  }

  listen(handlers: EngineChannelHandlers): void {
    this.#handlers = handlers;
    // The library may call back until the channel is closed. These closures keep the channel from being garbage collected.
    this.#channel.onClosed(safely(() => this.#end()));
    this.#channel.onOpen(safely(() => handlers.open()));
    this.#channel.onBufferedAmountLow(safely(() => handlers.drained()));
    this.#channel.setBufferedAmountLowThreshold(LOW_WATER_BYTES);
    this.#channel.onMessage(
      safely((data) => handlers.message(data instanceof ArrayBuffer ? new Uint8Array(data) : data)),
    );
    // A channel of the peer is open when we get it. If it was closed since, the library does not report that.
    if (this.#incoming && !this.#channel.isOpen()) setImmediate(() => this.#end());
  }

  send(data: string | Uint8Array): void {
    try {
      // A result of false only means that the message was queued.
      if (typeof data === 'string') this.#channel.sendMessage(data);
      else this.#channel.sendMessageBinary(data);
    } catch {
      // The channel was just closed, or the peer accepts no message of this size. Nothing more can be sent on it.
      this.#channel.close();
      setImmediate(() => this.#end());
    }
  }

  close(): void {
    this.#channel.close();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers?.closed();
  }
}
