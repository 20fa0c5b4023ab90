import type { ConnectionPurpose } from '../../../protocol/signaling.ts';
import { connectPeer } from '../../connection/connect-peer.ts';
import type { SignalingClient } from '../../signaling/signaling-client.ts';
import type { StripeOpener } from './stripe.ts';

/** Makes further connections for a transfer with a peer, for the side that has connected to it. */
export function stripeOpener(
  signaling: SignalingClient,
  { peerId, purpose }: { peerId: string; purpose: ConnectionPurpose },
): StripeOpener {
  return async ({ tolerant, signal }) => {
    const stripe = tolerant ? 'tolerant' : 'plain';
    const connection = await connectPeer(signaling, { peerId, purpose: { ...purpose, stripe }, signal });
    try {
      return { channel: await connection.openChannel('stripe', { signal }), close: () => connection.close() };
    } catch (error) {
      void connection.close();
      throw error;
    }
  };
}
