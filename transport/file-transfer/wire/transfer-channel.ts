import type { DataChannel } from '../../connection/connection.ts';
import type { Conversation } from './conversation.ts';
import { WINDOW_BLOCKS } from './limits.ts';
import type { Hello } from './messages.ts';

/** One side of a transfer. */
export interface TransferSide {
  readonly role: 'sender' | 'receiver';
  readonly signal: AbortSignal | undefined;
  /** Throws the error that a message of the other side reports, if it reports one. */
  readError(text: string): void;
}

/** What a side does on its channels. */
export interface TransferWork {
  /** Takes part in the transfer on one channel. Resolves when the whole transfer is over. */
  serve(conversation: Conversation): Promise<void>;
  /** Takes back what was requested on a channel that is lost. */
  onLost(conversation: Conversation): void;
  /** Bytes that are still to be transferred. */
  leftBytes(): number;
}

/** The channels of a transfer. */
export interface ChannelGroup {
  /** Fields that this side adds to its first `hello`. */
  readonly helloFields: Readonly<Record<string, string | number>>;
  /** Blocks that the receiver may have requested on each channel at a time. */
  readonly windowBlocks: number;
  /** Passes on the other side's first `hello`. */
  greeted(hello: Hello): void;
  /** Runs the transfer, which begins on its first channel. Resolves when the transfer is over. */
  run(first: Conversation, work: TransferWork): Promise<void>;
  /** Closes all channels but the first. */
  close(): Promise<void>;
}

/** A channel that a transfer begins on. */
export interface TransferChannel extends DataChannel {
  /** Makes the group of channels that the transfer uses. Default: this channel only. */
  readonly group?: (side: TransferSide) => ChannelGroup;
}

/** Makes the group of channels for a transfer that begins on `channel`. */
export function channelGroup(channel: TransferChannel, side: TransferSide): ChannelGroup {
  return channel.group?.(side) ?? SINGLE_CHANNEL;
}

const SINGLE_CHANNEL: ChannelGroup = {
  helloFields: {},
  windowBlocks: WINDOW_BLOCKS,
  greeted: () => undefined,
  run: (first, work) => work.serve(first),
  close: () => Promise.resolve(),
};
