import { SleapRtcError } from '../../protocol/errors.ts';
import type { RoomRole } from '../../protocol/wire/api.ts';
import type { ClientMessage, IceServer, PeerInfo, PeerMetadata } from '../../protocol/wire/signaling.ts';
import type { VerifyIdToken } from '../auth/identity.ts';
import type { JobViews } from '../job-views/job-views.ts';
import { type Rooms, refuseViewer } from '../rooms/rooms.ts';
import type { PeerDirectory, PeerLink } from './directory.ts';
import { MAX_METADATA_BYTES } from './limits.ts';

/** What the peers' part of the server works with. */
export interface PeerServices {
  directory: PeerDirectory;
  jobViews: Pick<JobViews, 'report' | 'hint' | 'subscribe' | 'unsubscribe' | 'peerLeft'>;
  rooms: Pick<Rooms, 'enter' | 'touch' | 'closings'>;
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
  /** What the token allows. */
  access: RoomRole;
  /** When the identity ends, in ms since 1970; undefined if it does not. */
  identityEndsAt: number | undefined;
}

type Register = Extract<ClientMessage, { type: 'register' }>;

/**
 * Checks who asks to join and lets them in: identity, then room and token, then the name. Answers `registered_auth`.
 * @param isOpen whether the socket is still there; a peer that left meanwhile is not let in
 * @throws SleapRtcError SIGN_IN_REQUIRED, TOKEN_REFUSED, NOT_ALLOWED, ROOM_EXPIRED, PEER_ID_TAKEN, MESSAGE_TOO_LARGE, LIMIT_REACHED
 */
export async function register(
  services: PeerServices,
  message: Register,
  link: PeerLink,
  isOpen: () => boolean,
): Promise<Registered | undefined> {
  const user = await services.verifyIdToken(message.id_token);
  const entry = { roomId: message.room_id, token: message.token, userId: user.user_id };
  const { rooms, directory } = services;
  let closings = rooms.closings;
  const { room, role: access } = await rooms.enter(entry);
  if (access === 'viewer' && message.role === 'worker') refuseViewer(access);
  await rooms.touch(room);
  refuseLargeMetadata(message.metadata);
  if (!isOpen()) return undefined;
  const info: PeerInfo = {
    peer_id: message.peer_id,
    role: message.role,
    user_id: user.user_id,
    metadata: message.metadata,
    connected_at: new Date().toISOString(),
  };
  await directory.join(room.room_id, info, link, access);
  // While it was entering, the owner may have closed the room for it.
  while (closings !== rooms.closings) {
    closings = rooms.closings;
    try {
      await rooms.enter(entry);
    } catch (error) {
      directory.leave(room.room_id, info.peer_id, link);
      throw error;
    }
  }
  link.send({
    type: 'registered_auth',
    request_id: message.request_id,
    room_id: room.room_id,
    peer_id: info.peer_id,
    peer_list: directory.peers(room.room_id, info.peer_id),
    // A viewer connects to nobody.
    ice_servers: access === 'viewer' ? [] : services.iceServersFor(user.user_id),
  });
  return {
    roomId: room.room_id,
    peerId: info.peer_id,
    role: info.role,
    userId: user.user_id,
    access,
    identityEndsAt: user.expires_at_ms,
  };
}

/** @throws SleapRtcError MESSAGE_TOO_LARGE */
export function refuseLargeMetadata(metadata: PeerMetadata): void {
  const bytes = Buffer.byteLength(JSON.stringify(metadata));
  if (bytes <= MAX_METADATA_BYTES) return;
  throw new SleapRtcError('MESSAGE_TOO_LARGE', `Metadata of ${bytes} bytes exceeds ${MAX_METADATA_BYTES}.`);
}
