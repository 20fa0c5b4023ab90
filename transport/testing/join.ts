import type { Role } from '../../protocol/signaling.ts';
import { SignalingClient, type SignalingClientOptions } from '../signaling/signaling-client.ts';
import { TestRelay } from './relay.ts';

/** The key of the relay's room, which the relay does not know. */
export const TEST_ROOM_KEY = Buffer.alloc(32, 'test room key').toString('base64url');

/** Joins the relay's room as a peer of that name. */
export function join(
  url: string,
  peerId: string,
  options: Partial<SignalingClientOptions> = {},
): Promise<SignalingClient> {
  const role: Role = peerId.startsWith('worker') ? 'worker' : 'client';
  return SignalingClient.connect({
    serverUrl: url,
    roomId: 'test-room',
    token: TestRelay.token,
    roomKey: TEST_ROOM_KEY,
    idToken: () => Promise.resolve('id-token'),
    peerId,
    role,
    metadata: { tags: [], properties: {} },
    ...options,
  });
}
