import { type ConnectPeerOptions, connectPeer } from '../connection/connect-peer.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import { stripeOpener, withStripes } from './stripes/stripe-channels.ts';
import type { TransferChannel } from './wire/transfer-channel.ts';

/**
 * Connects to a peer, as `connectPeer` does, and runs a transfer on a channel that is named after the purpose. Closes the
 * connection when the transfer is over.
 * @throws SleapRtcError what `connectPeer` and the transfer throw
 */
export async function connectTransfer<Result>(
  signaling: SignalingClient,
  options: ConnectPeerOptions,
  transfer: (channel: TransferChannel) => Promise<Result>,
): Promise<Result> {
  const { purpose, signal } = options;
  const connection = await connectPeer(signaling, options);
  try {
    const channel = await connection.openChannel(purpose.kind, signal === undefined ? {} : { signal });
    return await transfer(withStripes(channel, { open: stripeOpener(signaling, options) }));
  } finally {
    await connection.close();
  }
}
