import type { Role } from '../../protocol/signaling.ts';
import { SignalingClient, type SignalingClientOptions } from '../signaling-client.ts';
import { TestRelay } from './relay.ts';

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
    idToken: () => Promise.resolve('id-token'),
    peerId,
    role,
    metadata: { tags: [], properties: {} },
    ...options,
  });
}
