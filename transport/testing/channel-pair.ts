import { SleapRtcError } from '../../protocol/errors.ts';
import { MessageQueue } from '../async/message-queue.ts';
import type { DataChannel } from '../connection/connection.ts';
import { DEFAULT_MAX_MESSAGE_BYTES } from '../connection/limits.ts';

type Message = string | Uint8Array;

/**
 * One end of a channel in memory. `tamper` gets what this end sends, and may change, drop or repeat it. `cut` ends both as if
 * the peer died.
 */
export interface TestChannel extends DataChannel {
  tamper: (message: Message) => Message | Message[];
  readonly sent: Message[];
  cut(): void;
}

/** Two ends of a channel in memory, for tests of what is sent on channels. */
export function channelPair(): [TestChannel, TestChannel] {
  const queues = [new MessageQueue<Message>(), new MessageQueue<Message>()] as const;
  const ending = Promise.withResolvers<void>();
  let over: SleapRtcError | undefined;
  function end(error?: SleapRtcError): void {
    over ??= error ?? new SleapRtcError('PEER_GONE', 'The channel is closed.');
    for (const queue of queues) queue.end(error);
    ending.resolve();
  }
  function side(incoming: MessageQueue<Message>, outgoing: MessageQueue<Message>): TestChannel {
    const channel: TestChannel = {
      label: 'test',
      maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES,
      messages: incoming,
      sent: [],
      tamper: (message) => message,
      async send(message, options) {
        options?.signal?.throwIfAborted();
        if (over !== undefined) throw over;
        const sent = typeof message === 'string' ? message : Buffer.from(message);
        channel.sent.push(sent);
        for (const message of [channel.tamper(sent)].flat()) outgoing.push(message);
        // As on a real channel, the other side runs soon.
        await new Promise((resolve) => setImmediate(resolve));
      },
      closed: ending.promise,
      close: () => {
        end();
        return ending.promise;
      },
      cut: () => end(new SleapRtcError('PEER_GONE', 'The peer died.')),
    };
    return channel;
  }
  const [a, b] = queues;
  return [side(a, b), side(b, a)];
}
