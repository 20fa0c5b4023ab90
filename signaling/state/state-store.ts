import { z } from 'zod';
import { ProgressMessage } from '../../protocol/peer-messages.ts';
import { PeerInfo } from '../../protocol/signaling.ts';

/** What outlives a restart: who was in which room, and each running job's last progress. Holds no secret. */
export const SignalingState = z.object({
  version: z.literal(1),
  saved_at: z.iso.datetime(),
  peers: z.record(z.string(), z.array(PeerInfo)),
  progress: z.record(z.string(), z.array(z.object({ from_peer_id: z.string(), payload: ProgressMessage }))),
});
export type SignalingState = z.infer<typeof SignalingState>;

/** Where the state is kept. */
export interface StateStore {
  /** The last state saved; undefined where there is none. Rejects where it cannot be had or read. */
  load(): Promise<SignalingState | undefined>;
  save(state: SignalingState): Promise<void>;
}
