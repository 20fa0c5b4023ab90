import type { ConnectionPurpose } from '../protocol/signaling.ts';
import type { PeerConnection } from './connection.ts';
import type { SignalingClient } from './signaling-client.ts';

/** Answers the offers of peers; each connection is closed when its handler ends. */
export function acceptPeers(
  _signaling: SignalingClient,
  _handler: (connection: PeerConnection) => Promise<void>,
  _options: { accept?: (offer: { sender: string; purpose: ConnectionPurpose }) => boolean } = {},
): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => Promise.resolve() };
}
