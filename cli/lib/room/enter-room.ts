import type { PeerMetadata } from '../../../protocol/wire/signaling.ts';
import { readIceTransportPolicy, readWebRtcChoice, SignalingClient } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';

/**
 * Enters the room as a client peer.
 * @throws SleapRtcError SERVER_UNREACHABLE, ROOM_EXPIRED, TOKEN_REFUSED
 */
export async function enterRoom(
  api: RoomApi,
  as: { peerId: string; metadata: PeerMetadata; signal?: AbortSignal },
): Promise<SignalingClient> {
  const { server, room, token, key } = api.connection;
  const iceTransportPolicy = readIceTransportPolicy(process.env);
  const webRtc = readWebRtcChoice(process.env);
  return SignalingClient.connect({
    serverUrl: server,
    roomId: room,
    token,
    roomKey: key,
    identity: api.signIn,
    role: 'client',
    iceTransportPolicy,
    webRtc,
    ...as,
  });
}
