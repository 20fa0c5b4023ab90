import { z } from 'zod';
import { RunCurve } from '../../protocol/api.ts';
import { ProgressMessage } from '../../protocol/peer-messages.ts';
import { PeerInfo } from '../../protocol/signaling.ts';

/** What outlives a restart: who was in which room, and each running job's last progress and loss curves. Holds no secret. */
export const SignalingState = z.object({
  version: z.literal(1),
  saved_at: z.iso.datetime(),
  peers: z.record(z.string(), z.array(PeerInfo)),
  progress: z.record(z.string(), z.array(z.object({ from_peer_id: z.string(), payload: ProgressMessage }))),
  /** By room, then by job. Absent in older backups. */
  curves: z.record(z.string(), z.record(z.string(), z.array(RunCurve))).default({}),
});
export type SignalingState = z.infer<typeof SignalingState>;

/** Where the state is kept. */
export interface StateStore {
  /** The last state saved; undefined where there is none. Rejects where it cannot be had or read. */
  load(): Promise<SignalingState | undefined>;
  save(state: SignalingState): Promise<void>;
}
