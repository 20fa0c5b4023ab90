import { type AcceptPeersOptions, acceptPeers } from '../connection/accept-peers.ts';
import type { PeerConnection } from '../connection/connection.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import { withStripes } from './stripes/stripe-channels.ts';
import { StripeLobby } from './stripes/stripe-lobby.ts';
import type { TransferChannel } from './wire/transfer-channel.ts';

/**
 * Answers offers of peers, as `acceptPeers` does, and calls `handler` with the first channel that a peer opens on its connection.
 * The connection is closed when the handler has ended.
 * @throws SleapRtcError PEER_NOT_PROVEN if this side has no room key
 */
export function acceptTransfers(
  signaling: SignalingClient,
  handler: (channel: TransferChannel, connection: PeerConnection) => Promise<void>,
  options: AcceptPeersOptions = {},
): { close(): Promise<void> } {
  const lobby = new StripeLobby();
  return acceptPeers(
    signaling,
    async (connection) => {
      const channel = await connection.acceptChannel();
      if (lobby.isFor(channel)) await lobby.join(channel);
      else await handler(withStripes(channel, { lobby }), connection);
    },
    options,
  );
}
