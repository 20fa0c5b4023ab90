import { z } from 'zod';
import { JobId, ModelId } from './ids.ts';
import { JobPhase, JobRequirements } from './job.ts';
import { EpochProgress, FrameProgress, TransferProgress } from './job-view.ts';

/** A worker's live word on a job. Sent to everyone in the room; losing one loses nothing but smoothness. */
export const ProgressMessage = z.object({
  type: z.literal('progress'),
  job_id: JobId,
  worker: z.string(),
  at: z.iso.datetime(),
  phase: JobPhase,
  /** One line for people, e.g. `loading sleap-nn`. */
  detail: z.string().optional(),
  transfer: TransferProgress.optional(),
  epoch: EpochProgress.optional(),
  frames: FrameProgress.optional(),
});
export type ProgressMessage = z.infer<typeof ProgressMessage>;

/**
 * How a worker stands, as `properties.status` says it: `draining` finishes its job and takes no other, `drained` has none left,
 * `unhealthy` takes none since they failed there for its own reasons (`properties.reason`).
 */
export const WorkerStatus = z.enum(['available', 'busy', 'draining', 'drained', 'unhealthy']);
export type WorkerStatus = z.infer<typeof WorkerStatus>;

/** The payloads that peers send each other through the server, as the seed names them. */
export const PeerPayload = z.discriminatedUnion('type', [
  ProgressMessage,
  z.object({
    type: z.literal('job_request'),
    job_id: JobId,
    kind: z.enum(['training', 'inference']),
    requirements: JobRequirements,
    total_bytes: z.int().min(0),
  }),
  z.object({ type: z.literal('job_response'), job_id: JobId, accepted: z.boolean(), reason: z.string() }),
  z.object({ type: z.literal('registry_query'), model_ids: z.array(ModelId).max(16) }),
  z.object({ type: z.literal('registry_response'), has_models: z.record(ModelId, z.boolean()) }),
  z.object({ type: z.literal('status'), status: WorkerStatus, job_id: JobId.nullable() }),
  // `drain` false takes it back; `exit`: the worker's process ends after its job.
  z.object({ type: z.literal('drain_request'), drain: z.boolean(), exit: z.boolean() }),
  z.object({ type: z.literal('drain_response'), status: WorkerStatus, job_id: JobId.nullable() }),
  // A job's data lies in the room's storage: its researcher is not needed any more.
  z.object({ type: z.literal('dataset_staged'), job_id: JobId, worker: z.string() }),
  z.object({ type: z.literal('job_complete'), job_id: JobId, worker: z.string(), model_ids: z.array(ModelId) }),
]);
export type PeerPayload = z.infer<typeof PeerPayload>;
