import type { DataChannel } from '../../connection/connection.ts';
import type { Conversation } from '../wire/conversation.ts';
import { HELLO, parseMessage, SenderMessage } from '../wire/messages.ts';

/** A further connection for a transfer that has one, with a channel on it. */
export interface StripeLine {
  channel: DataChannel;
  close(): Promise<void>;
}

/** Makes a further connection to the same peer; `tolerant` asks for the WebRTC stack that bears loss. */
export type StripeOpener = (options: { tolerant: boolean; signal: AbortSignal }) => Promise<StripeLine>;

/** How a transfer may use several connections. The side that connects has `open`, the other one `entrance`. */
export interface Striping {
  open?: StripeOpener;
  entrance?: StripeEntrance;
}

/** One channel of a transfer. */
export class Stripe {
  readonly conversation: Conversation;
  /** On the WebRTC stack that bears loss; of the first it is not known. */
  readonly tolerant: boolean;
  /** Payload bytes that went over it. */
  movedBytes = 0;
  readonly #line: { close(): Promise<void> };

  constructor(conversation: Conversation, line: { close(): Promise<void> }, tolerant = false) {
    this.conversation = conversation;
    this.tolerant = tolerant;
    this.#line = line;
  }

  /** Ends it; what it owes goes to the others. */
  drop(): void {
    this.#line.close().catch(() => undefined);
  }
}

/** A transfer that further channels may join. */
export interface StripedTransfer {
  /** Serves the channel until it or the transfer is over. */
  join: (line: StripeLine) => Promise<void>;
}

/** Where the side that is connected to lets further channels into its running transfer. */
export class StripeEntrance {
  #transfer: StripedTransfer | undefined;

  /** For the transfer: from now on channels are let in, until it is closed. */
  open(transfer: StripedTransfer): Disposable {
    this.#transfer = transfer;
    return {
      [Symbol.dispose]: () => {
        if (this.#transfer === transfer) this.#transfer = undefined;
      },
    };
  }

  /** Takes a further channel; resolves when it is over, in whatever way. The caller closes its connection then. */
  async join(channel: DataChannel): Promise<void> {
    await this.#transfer?.join({ channel, close: () => channel.close() });
  }
}

/** The greeting on a further channel, by which either side knows which transfer it belongs to. */
export async function greet(conversation: Conversation, transfer: string): Promise<boolean> {
  await conversation.say({ ...HELLO, joins: transfer });
  const text = await conversation.next();
  const message = typeof text === 'string' ? parseMessage(SenderMessage, text) : undefined;
  return message?.type === 'hello' && message.joins === transfer;
}
