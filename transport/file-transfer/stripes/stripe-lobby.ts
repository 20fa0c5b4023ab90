import type { DataChannel } from '../../connection/connection.ts';
import { readJoinedTransfer } from './stripe-hello.ts';

/** Label of every channel that joins a running transfer. */
export const STRIPE_LABEL = 'stripe';

/** Brings the further channels that a peer opens to the running transfers that they join. */
export class StripeLobby {
  /** How each running transfer admits a channel, by its name. */
  readonly #transfers = new Map<string, (channel: DataChannel) => Promise<void>>();

  /** Lets channels join a transfer until the returned function is called. */
  enter(transfer: string, admit: (channel: DataChannel) => Promise<void>): () => void {
    this.#transfers.set(transfer, admit);
    return () => this.#transfers.delete(transfer);
  }

  /** Whether a channel joins a running transfer instead of beginning one. */
  isFor(channel: DataChannel): boolean {
    return channel.label === STRIPE_LABEL;
  }

  /** Takes part in the transfer that the channel names, or closes the channel. Resolves when the channel is over. */
  async join(channel: DataChannel): Promise<void> {
    const transfer = await readJoinedTransfer(channel);
    const admit = this.#transfers.get(transfer ?? '');
    await (admit === undefined ? channel.close() : admit(channel));
  }
}
