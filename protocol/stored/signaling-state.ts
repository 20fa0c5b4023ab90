import { z } from 'zod';
import { JobView } from '../jobs/job-view.ts';
import { RunCurve } from '../jobs/run-curve.ts';
import { PeerInfo } from '../wire/signaling.ts';

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
