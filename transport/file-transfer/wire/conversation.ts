import { SleapRtcError, toSleapRtcError } from '../../../protocol/errors.ts';
import { within } from '../../async/abort.ts';
import type { DataChannel } from '../../connection/connection.ts';
import { BUSY_INTERVAL_MS, STALL_MS } from './limits.ts';
import type { ReceiverMessage, SenderMessage } from './messages.ts';

/** One side's end of a transfer on a channel: sending messages, waiting for the next one, and failing honestly. */
export class Conversation {
  readonly #channel: DataChannel;
  readonly #signal: AbortSignal | undefined;
  readonly #messages: AsyncIterator<string | Uint8Array>;
  /** The channel has ended, so that nothing can be said on it and all that it still holds can be read without waiting. */
  #isOver = false;
  #saidAt = performance.now();
  #heard: Promise<string | Uint8Array> | undefined;

  constructor(channel: DataChannel, signal: AbortSignal | undefined) {
    this.#channel = channel;
    this.#signal = signal;
    this.#messages = channel.messages[Symbol.asyncIterator]();
  }

  /** The largest message that the other side takes, in bytes. */
  get maxMessageBytes(): number {
    return this.#channel.maxMessageBytes;
  }

  async say(message: SenderMessage | ReceiverMessage): Promise<void> {
    await this.send(JSON.stringify(message));
  }

  /** Until disposed, tells the sender from time to time that what keeps this side, such as checking a large file, is work. */
  keepPatient(): Disposable {
    const timer = setInterval(() => {
      if (performance.now() - this.#saidAt < BUSY_INTERVAL_MS) return;
      this.say({ type: 'busy' }).catch(() => undefined);
    }, BUSY_INTERVAL_MS);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /** @throws the signal's reason where this side was aborted */
  throwIfAborted(): void {
    this.#signal?.throwIfAborted();
  }

  async send(data: string | Uint8Array): Promise<void> {
    this.#saidAt = performance.now();
    try {
      await this.#channel.send(data, this.#signal === undefined ? {} : { signal: this.#signal });
    } catch (error) {
      this.#isOver = !this.#signal?.aborted;
      throw error;
    }
  }

  /**
   * The other side's next message.
   * @throws SleapRtcError PEER_GONE where it has closed the channel or went away, TRANSFER_FAILED where it is silent for a minute
   */
  async next(timeoutMs = STALL_MS): Promise<string | Uint8Array> {
    const message = await within(this.whenHeard(), {
      timeoutMs,
      onTimeout: () => new SleapRtcError('TRANSFER_FAILED', 'The other side has stopped taking part in the transfer.'),
    });
    this.#heard = undefined;
    return message;
  }

  /** Resolves when there is a next message, without limit of time; it stays the next one. Rejects as `next` does. */
  whenHeard(): Promise<string | Uint8Array> {
    if (this.#heard === undefined) {
      this.#heard = this.#hear();
      this.#heard.catch(() => undefined);
    }
    return this.#heard;
  }

  async #hear(): Promise<string | Uint8Array> {
    const incoming = this.#messages.next().catch((error: unknown) => {
      this.#isOver = true;
      throw error;
    });
    const { done, value } = await within(incoming, { signal: this.#signal });
    this.#isOver = done === true;
    if (done === true) throw new SleapRtcError('PEER_GONE', 'The other side closed the channel amid the transfer.');
    return value;
  }

  /**
   * Runs a side of the transfer. Where it fails, the other side is told why; where it fails because the other side has
   * gone, what that side last said is looked through for its reason.
   * @param readError throws the error that a message reports, if it does
   */
  async run<Result>(side: () => Promise<Result>, readError: (text: string) => void): Promise<Result> {
    try {
      return await side();
    } catch (thrown) {
      if (this.#signal?.aborted) {
        // To the other side an abort here is as good as a cut: trying again later may help.
        await this.#report(new SleapRtcError('PEER_GONE', 'The other side stopped the transfer.'));
        throw thrown;
      }
      const error = toSleapRtcError(thrown);
      if (this.#isOver) await this.#findReason(readError);
      else await this.#report(error);
      throw error;
    }
  }

  async #report({ code, message }: SleapRtcError): Promise<void> {
    // The channel may be the very thing that failed.
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
