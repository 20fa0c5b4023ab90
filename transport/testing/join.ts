import type { Role } from '../../protocol/wire/signaling.ts';
import { MEMORY_ROOM } from '../../signaling/testing/memory-server.ts';
import type { Identity } from '../signaling/register.ts';
import { SignalingClient, type SignalingClientOptions } from '../signaling/signaling-client.ts';

/** The key of the tests' room, which the server does not know. */
export const TEST_ROOM_KEY = Buffer.alloc(32, 'test room key').toString('base64url');

/** An identity with a token that does not change. */
export function identityOf(idToken: string): Identity {
  return { idToken: () => Promise.resolve(idToken), refused: () => undefined };
}

/** Joins the tests' room as a peer of that name. */
export function join(
  url: string,
  peerId: string,
  options: Partial<SignalingClientOptions> = {},
): Promise<SignalingClient> {
  const role: Role = peerId.startsWith('worker') ? 'worker' : 'client';
  return SignalingClient.connect({
    serverUrl: url,
    ...MEMORY_ROOM,
    roomKey: TEST_ROOM_KEY,
    identity: identityOf('id-token'),
    peerId,
    role,
    metadata: { tags: [], properties: {} },
    ...options,
  });
}
