import { randomBytes } from 'node:crypto';
import { SleapRtcError, toSleapRtcError } from '../../../protocol/errors.ts';
import type { DataChannel } from '../../connection/connection.ts';
import { Conversation } from '../wire/conversation.ts';
import { WINDOW_BLOCKS } from '../wire/limits.ts';
import type { Hello } from '../wire/messages.ts';
import type { ChannelGroup, TransferSide, TransferWork } from '../wire/transfer-channel.ts';
import { MAX_STRIPES, STRIPE_WINDOW_BLOCKS } from './limits.ts';
import { hasJoined, joinTransfer, readInvitation } from './stripe-hello.ts';
import type { StripeLobby } from './stripe-lobby.ts';
import { type OpenStripe, type Stripe, Widening } from './widening.ts';

/** How further channels come to a transfer: the side that connects opens them, the other side finds them in its lobby. */
export type StripeSource = { open: OpenStripe } | { lobby: StripeLobby };

/** The channels of one transfer, each on a connection of its own. The transfer goes on as long as one of them lives. */
export class StripeGroup implements ChannelGroup {
  readonly helloFields: { stripes: number; transfer?: string };
  readonly #side: TransferSide;
  readonly #first: DataChannel;
  readonly #source: StripeSource;
  /** The channels that live, the oldest first, and how to close each. */
  readonly #stripes = new Map<Conversation, () => Promise<void>>();
  #work: TransferWork | undefined;
  readonly #over = Promise.withResolvers<void>();
  #isOver = false;
  /** The transfer's name, once both sides accept further channels. */
  #transfer: string | undefined;
  #wasGreeted = false;
  #widening: Widening | undefined;
  #leaveLobby: (() => void) | undefined;

  constructor(side: TransferSide, first: DataChannel, source: StripeSource) {
    this.#side = side;
    this.#first = first;
    this.#source = source;
    const transfer = randomBytes(16).toString('base64url');
    this.helloFields = side.role === 'sender' ? { stripes: MAX_STRIPES, transfer } : { stripes: MAX_STRIPES };
    this.#over.promise.catch(() => undefined);
  }

  get windowBlocks(): number {
    return this.#stripes.size > 1 ? STRIPE_WINDOW_BLOCKS : WINDOW_BLOCKS;
  }

  greeted(hello: Hello): void {
    if (this.#wasGreeted) return;
    this.#wasGreeted = true;
    const invitation = readInvitation(hello);
    const transfer = this.helloFields.transfer ?? invitation?.transfer;
    if (invitation === undefined || transfer === undefined) return;
    this.#transfer = transfer;
    if ('lobby' in this.#source) {
      this.#leaveLobby = this.#source.lobby.enter(transfer, (channel) => this.admit(channel));
    } else {
      this.#widening = new Widening({
        open: this.#source.open,
        add: (stripe) => this.add(stripe),
        stripes: () => [...this.#stripes.keys()],
        drop: (stripe) => void this.#stripes.get(stripe)?.(),
        leftBytes: () => this.#work?.leftBytes() ?? 0,
        most: Math.min(MAX_STRIPES, invitation.stripes),
      });
    }
  }

  run(first: Conversation, work: TransferWork): Promise<void> {
    this.#work = work;
    void this.#serve(first, work, () => this.#first.close());
    return this.#over.promise;
  }

  /** Adds a channel that this side has opened. Resolves when the channel or the transfer is over, and never rejects. */
  async add({ channel, close }: Stripe): Promise<void> {
    await this.#join(channel, close, async (conversation, transfer) => {
      await joinTransfer(conversation, transfer);
      return hasJoined(conversation, transfer);
    });
  }

  /** Adds a channel on which the other side has named the transfer. Resolves as `add` does. */
  async admit(channel: DataChannel): Promise<void> {
    const close = () => channel.close();
    await this.#join(channel, close, async (conversation, transfer) => {
      await joinTransfer(conversation, transfer);
      return true;
    });
  }

  async close(): Promise<void> {
    this.#leaveLobby?.();
    await this.#widening?.close();
  }

  async #join(
    channel: DataChannel,
    close: () => Promise<void>,
    greet: (conversation: Conversation, transfer: string) => Promise<boolean>,
  ): Promise<void> {
    const conversation = new Conversation(channel, this.#side.signal);
    const busySignals = this.#side.role === 'receiver' ? conversation.startBusySignals() : undefined;
    try {
      const transfer = this.#transfer;
      const work = this.#work;
      if (transfer === undefined || work === undefined || this.#isOver) return;
      if (!(await greet(conversation, transfer)) || this.#isOver) return;
      // If the transfer ends, each channel reports why, since the first channel may be lost.
      const serving = async () =>
        void (await Promise.race([this.#serve(conversation, work, close), this.#over.promise]));
      await conversation.run(serving, (text) => this.#side.readError(text));
    } catch {
      // Either the group knows of the failure, or this channel never joined it.
    } finally {
      busySignals?.close();
      await close().catch(() => undefined);
    }
  }

  async #serve(conversation: Conversation, work: TransferWork, close: () => Promise<void>): Promise<void> {
    this.#stripes.set(conversation, () => close().catch(() => undefined));
    try {
      await work.serve(conversation);
      this.#isOver = true;
      this.#over.resolve();
    } catch (thrown) {
      this.#stripes.delete(conversation);
      const isLost = !this.#side.signal?.aborted && meansLoss(thrown);
      if (isLost && !this.#isOver) work.onLost(conversation);
      if (isLost && this.#stripes.size > 0) return;
      this.#isOver = true;
      this.#over.reject(thrown);
    }
  }
}

function meansLoss(thrown: unknown): boolean {
  const { code } = thrown instanceof SleapRtcError ? thrown : toSleapRtcError(thrown);
  return code === 'PEER_GONE' || code === 'TRANSFER_FAILED';
}
