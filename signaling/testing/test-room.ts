import type { CreateRoomReply } from '../../protocol/wire/api.ts';
import type { PeerMetadata, Role } from '../../protocol/wire/signaling.ts';
import { makeRoom, signIn } from './api-client.ts';
import { TestPeer } from './test-peer.ts';

/** A room with the credentials of its first user, for tests. */
export interface TestRoom extends CreateRoomReply {
  idToken: string;
  /** Registers a peer, by default of the first user. */
  join(
    peerId: string,
    options?: { role?: Role; metadata?: PeerMetadata; idToken?: string; autoPong?: boolean },
  ): Promise<TestPeer>;
}

/** Signs in as a new user and makes a room. */
export async function newRoom(serverUrl: string): Promise<TestRoom> {
  const { id_token: idToken } = await signIn(serverUrl);
  const room = await makeRoom(serverUrl, idToken);
  return {
    ...room,
    idToken,
    join: (peer_id, { role, metadata, autoPong = true, ...other } = {}) =>
      TestPeer.join(
        serverUrl,
        {
          peer_id,
          room_id: room.room_id,
          token: room.token,
          id_token: other.idToken ?? idToken,
          ...(role === undefined ? {} : { role }),
          ...(metadata === undefined ? {} : { metadata }),
        },
        { autoPong },
      ),
  };
}
