import { SleapRtcError } from '../protocol/errors.ts';
import type { ConnectionPurpose } from '../protocol/signaling.ts';
import type { PeerConnection } from './connection.ts';
import type { SignalingClient } from './signaling-client.ts';

/** Connects to a peer of the room, as the offerer. */
export function connectPeer(
  _signaling: SignalingClient,
  _options: { peerId: string; purpose: ConnectionPurpose; signal?: AbortSignal },
): Promise<PeerConnection> {
  return Promise.reject(new SleapRtcError('INTERNAL', 'Not written yet.'));
}
