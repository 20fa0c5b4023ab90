import { type ConnectPeerOptions, connectPeer } from '../../connection/connect-peer.ts';
import type { DataChannel } from '../../connection/connection.ts';
import type { SignalingClient } from '../../signaling/signaling-client.ts';
import type { TransferChannel } from '../wire/transfer-channel.ts';
import { StripeGroup, type StripeSource } from './stripe-group.ts';
import { STRIPE_LABEL } from './stripe-lobby.ts';
import type { OpenStripe } from './widening.ts';

/** Lets the transfer that begins on a channel use further channels. */
export function withStripes(channel: DataChannel, source: StripeSource): TransferChannel {
  return Object.assign(channel, { group: (side) => new StripeGroup(side, channel, source) } satisfies Pick<
    TransferChannel,
    'group'
  >);
}

/** Opens further channels to a peer that this side has connected to. */
export function stripeOpener(
  signaling: SignalingClient,
  to: Pick<ConnectPeerOptions, 'peerId' | 'purpose'>,
): OpenStripe {
  return async (signal) => {
    const connection = await connectPeer(signaling, { ...to, signal });
    try {
      const channel = await connection.openChannel(STRIPE_LABEL, { signal });
      return { channel, close: () => connection.close() };
    } catch (error) {
      void connection.close();
      throw error;
    }
  };
}
