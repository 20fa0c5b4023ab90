import { z } from 'zod';
import { RunCurve } from '../../protocol/api.ts';
import { JobView } from '../../protocol/job-view.ts';
import { PeerInfo } from '../../protocol/signaling.ts';

/** What outlives a restart: who was in which room, and each running job's view and loss curves. Has no secret. */
export const SignalingState = z.object({
  version: z.literal(1),
  saved_at: z.iso.datetime(),
  peers: z.record(z.string(), z.array(PeerInfo)),
  /** Jobs that have not ended, by room. */
  jobs: z.record(z.string(), z.array(JobView)),
  /** By room, then by job. */
  curves: z.record(z.string(), z.record(z.string(), z.array(RunCurve))),
});
export type SignalingState = z.infer<typeof SignalingState>;

/** Stores the state. */
export interface StateStore {
  /** The last state saved; undefined if there is none. Rejects if it cannot be fetched or read. */
  load(): Promise<SignalingState | undefined>;
  save(state: SignalingState): Promise<void>;
}
