import { SleapRtcError, toSleapRtcError } from '../../../protocol/errors.ts';
import { within } from '../../async/within.ts';
import type { DataChannel } from '../../connection/connection.ts';
import { BUSY_INTERVAL_MS, REPLY_TIMEOUT_MS } from './limits.ts';
import type { ReceiverMessage, SenderMessage } from './messages.ts';

/** One side's end of a transfer on a channel: sends messages, waits for the next one, and reports why it fails. */
export class Conversation {
  /** Bytes of the binary messages that were sent and received. */
  dataBytes = 0;
  readonly #channel: DataChannel;
  readonly #signal: AbortSignal | undefined;
  readonly #messages: AsyncIterator<string | Uint8Array>;
  /** The channel has ended: nothing can be sent on it, and what it still holds can be read without waiting. */
  #hasEnded = false;
  #lastSentAt = performance.now();
  /** The next message, if somebody waits for it already. */
  #incoming: Promise<string | Uint8Array> | undefined;

  constructor(channel: DataChannel, signal: AbortSignal | undefined) {
    this.#channel = channel;
    this.#signal = signal;
    this.#messages = channel.messages[Symbol.asyncIterator]();
  }

  /** The largest message that the other side accepts, in bytes. */
  get maxMessageBytes(): number {
    return this.#channel.maxMessageBytes;
  }

  async sendMessage(message: SenderMessage | ReceiverMessage): Promise<void> {
    await this.#send(JSON.stringify(message));
  }

  async sendData(data: Uint8Array): Promise<void> {
    await this.#send(data);
    this.dataBytes += data.byteLength;
  }

  /**
   * Sends `busy` from time to time, so that the sender does not time out while this side works without sending anything, as when
   * it checks a large file. The caller closes it.
   */
  startBusySignals(): { close(): void } {
    const timer = setInterval(() => {
      if (performance.now() - this.#lastSentAt < BUSY_INTERVAL_MS) return;
      this.sendMessage({ type: 'busy' }).catch(() => undefined);
    }, BUSY_INTERVAL_MS);
    return { close: () => clearInterval(timer) };
  }

  /** @throws the signal's reason if this side was aborted */
  throwIfAborted(): void {
    this.#signal?.throwIfAborted();
  }

  /**
   * Waits for the other side's next message.
   * @throws SleapRtcError PEER_GONE if the other side closes the channel or is lost, TRANSFER_FAILED if it sends nothing in time
   */
  async next(timeoutMs = REPLY_TIMEOUT_MS): Promise<string | Uint8Array> {
    const message = await within(this.peek(), {
      timeoutMs,
      onTimeout: () => new SleapRtcError('TRANSFER_FAILED', 'The other side has stopped taking part in the transfer.'),
    });
    this.#incoming = undefined;
    if (typeof message !== 'string') this.dataBytes += message.byteLength;
    return message;
  }

  /** Waits for the next message, with no time limit, and leaves it for `next`. Rejects as `next` does. */
  peek(): Promise<string | Uint8Array> {
    if (this.#incoming === undefined) {
      this.#incoming = this.#receive();
      this.#incoming.catch(() => undefined);
    }
    return this.#incoming;
  }

  /**
   * Runs a side of the transfer. If it fails, it tells the other side why. If it fails because the other side is lost, it looks
   * through that side's last messages for the reason.
   * @param readError throws the error that a message reports, if it reports one
   */
  async run<Result>(side: () => Promise<Result>, readError: (text: string) => void): Promise<Result> {
    try {
      return await side();
    } catch (thrown) {
      if (this.#signal?.aborted) {
        // To the other side this is the same as a lost peer: trying again later may help.
        await this.#report(new SleapRtcError('PEER_GONE', 'The other side stopped the transfer.'));
        throw thrown;
      }
      const error = toSleapRtcError(thrown);
      if (this.#hasEnded) await this.#findReason(readError);
      else await this.#report(error);
      throw error;
    }
  }

  async #send(data: string | Uint8Array): Promise<void> {
    this.#lastSentAt = performance.now();
    try {
      await this.#channel.send(data, this.#signal === undefined ? {} : { signal: this.#signal });
    } catch (error) {
      this.#hasEnded = !this.#signal?.aborted;
      throw error;
    }
  }

  async #receive(): Promise<string | Uint8Array> {
    const incoming = this.#messages.next().catch((error: unknown) => {
      this.#hasEnded = true;
      throw error;
    });
    const { done, value } = await within(incoming, { signal: this.#signal });
    this.#hasEnded = done === true;
    if (done === true) throw new SleapRtcError('PEER_GONE', 'The other side closed the channel during the transfer.');
    return value;
  }

  async #report({ code, message }: SleapRtcError): Promise<void> {
    // The channel itself may be what failed.
    await this.#channel
      .send(JSON.stringify({ type: 'error', code, message: message.slice(0, 2000) }))
      .catch(() => undefined);
  }

  async #findReason(readError: (text: string) => void): Promise<void> {
    for (;;) {
      const message = await this.#messages.next().catch(() => undefined);
      if (message === undefined || message.done === true) return;
      if (typeof message.value === 'string') readError(message.value);
    }
  }
}
