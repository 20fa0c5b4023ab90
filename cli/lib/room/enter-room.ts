import { SleapRtcError } from '../../../protocol/errors.ts';
import type { PeerMetadata } from '../../../protocol/wire/signaling.ts';
import { readIceTransportPolicy, readWebRtcChoice, SignalingClient } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';

/** After this many failed registrations in a row, a new identity is created. */
const MAX_ATTEMPTS = 3;

/**
 * Enters the room as a client peer.
 * @throws SleapRtcError SERVER_UNREACHABLE, ROOM_UNKNOWN, ROOM_EXPIRED, TOKEN_REFUSED
 */
export async function enterRoom(
  api: RoomApi,
  as: { peerId: string; metadata: PeerMetadata; signal?: AbortSignal },
): Promise<SignalingClient> {
  const { server, room, token, key } = api.connection;
  const iceTransportPolicy = readIceTransportPolicy(process.env);
  const webRtc = readWebRtcChoice(process.env);
  let attempts = 0;
  const idToken = async (): Promise<string> => {
    attempts += 1;
    // A server that was set up again does not know the users of the old one.
    if (attempts > MAX_ATTEMPTS) await api.signIn.forget();
    return api.signIn.idToken();
  };
  const connect = (): Promise<SignalingClient> =>
    SignalingClient.connect({
      serverUrl: server,
      roomId: room,
      token,
      roomKey: key,
      idToken,
      role: 'client',
      iceTransportPolicy,
      webRtc,
      ...as,
    });
  let signaling: SignalingClient;
  try {
    signaling = await connect();
  } catch (error) {
    if (!(error instanceof SleapRtcError) || error.code !== 'SIGN_IN_REQUIRED') throw error;
    await api.signIn.forget();
    signaling = await connect();
  }
  attempts = 0;
  signaling.on('connected', () => {
    attempts = 0;
  });
  return signaling;
}
