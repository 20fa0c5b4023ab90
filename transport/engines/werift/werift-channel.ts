import type { RTCDataChannel } from 'werift';
import { type EngineChannel, type EngineChannelHandlers, SEND_BUFFER_BYTES } from '../engine.ts';

/** A channel of werift. */
export class WeriftChannel implements EngineChannel {
  readonly #channel: RTCDataChannel;

  constructor(channel: RTCDataChannel) {
    this.#channel = channel;
    channel.bufferedAmountLowThreshold = SEND_BUFFER_BYTES / 2;
  }

  get label(): string {
    return this.#channel.label;
  }

  get isOpen(): boolean {
    return this.#channel.readyState === 'open';
  }

  get bufferedBytes(): number {
    return this.#channel.bufferedAmount;
  }

  listen(handlers: EngineChannelHandlers): void {
    this.#channel.stateChanged.subscribe((state) => {
      if (state === 'open') handlers.open();
      if (state === 'closed') handlers.closed();
    });
    this.#channel.onMessage.subscribe((data) => handlers.message(data));
    this.#channel.bufferedAmountLow.subscribe(() => handlers.drained());
  }

  send(data: string | Uint8Array): void {
    this.#channel.send(typeof data === 'string' ? data : Buffer.from(data));
  }

  close(): void {
    this.#channel.close();
  }
}
