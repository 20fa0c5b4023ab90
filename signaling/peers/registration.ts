import { SleapRtcError } from '../../protocol/errors.ts';
import type { ClientMessage, IceServer, PeerInfo, PeerMetadata } from '../../protocol/wire/signaling.ts';
import type { VerifyIdToken } from '../auth/identity.ts';
import type { JobViews } from '../job-views/job-views.ts';
import type { Rooms } from '../rooms/rooms.ts';
import type { PeerDirectory, PeerLink } from './directory.ts';
import { MAX_METADATA_BYTES } from './limits.ts';

/** What the peers' part of the server works with. */
export interface PeerServices {
  directory: PeerDirectory;
  jobViews: Pick<JobViews, 'report' | 'hint' | 'subscribe' | 'unsubscribe' | 'peerLeft'>;
  rooms: Pick<Rooms, 'enter' | 'touch'>;
  verifyIdToken: VerifyIdToken;
  iceServersFor: (userId: string) => IceServer[];
  /** How often a peer gets new ICE servers, in ms; undefined if their credentials do not expire. */
  iceRenewalMs?: number | undefined;
}

/** The peer of a registered socket. The server sets all of it. */
export interface Registered {
  roomId: string;
  peerId: string;
  role: PeerInfo['role'];
  userId: string;
}

type Register = Extract<ClientMessage, { type: 'register' }>;

/**
 * Checks who asks to join and lets them in: identity, then room and token, then the name. Answers `registered_auth`.
 * @param isOpen whether the socket is still there; a peer that left meanwhile is not let in
 * @throws SleapRtcError SIGN_IN_REQUIRED, ROOM_UNKNOWN, TOKEN_REFUSED, ROOM_EXPIRED, PEER_ID_TAKEN, MESSAGE_TOO_LARGE, LIMIT_REACHED
 */
export async function register(
  services: PeerServices,
  message: Register,
  link: PeerLink,
  isOpen: () => boolean,
): Promise<Registered | undefined> {
  const user = await services.verifyIdToken(message.id_token);
  const room = await services.rooms.enter(message.room_id, message.token);
  await services.rooms.touch(room);
  refuseLargeMetadata(message.metadata);
  if (!isOpen()) return undefined;
  const info: PeerInfo = {
    peer_id: message.peer_id,
    role: message.role,
    user_id: user.user_id,
    metadata: message.metadata,
    connected_at: new Date().toISOString(),
  };
  await services.directory.join(room.room_id, info, link);
  link.send({
    type: 'registered_auth',
    request_id: message.request_id,
    room_id: room.room_id,
    peer_id: info.peer_id,
    peer_list: services.directory.peers(room.room_id, info.peer_id),
    ice_servers: services.iceServersFor(user.user_id),
  });
  return { roomId: room.room_id, peerId: info.peer_id, role: info.role, userId: user.user_id };
}

/** @throws SleapRtcError MESSAGE_TOO_LARGE */
export function refuseLargeMetadata(metadata: PeerMetadata): void {
  const bytes = Buffer.byteLength(JSON.stringify(metadata));
  if (bytes <= MAX_METADATA_BYTES) return;
  throw new SleapRtcError('MESSAGE_TOO_LARGE', `Metadata of ${bytes} bytes exceeds ${MAX_METADATA_BYTES}.`);
}
