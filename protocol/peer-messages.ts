import { z } from 'zod';
import { JobId, ModelId } from './ids.ts';
import { JobPhase, JobRequirements } from './job.ts';

/** Epochs of one sleap-nn run, as the worker sees them over ZMQ. Losses are null until known. */
export const EpochProgress = z.object({
  run: z.string(),
  /** 0-based run number and number of runs in the job. */
  run_index: z.int(),
  run_count: z.int(),
  /** Epochs finished, counted from 1. */
  epoch: z.int(),
  max_epochs: z.int().nullable(),
  train_loss: z.number().nullable(),
  val_loss: z.number().nullable(),
  seconds_left: z.number().nullable(),
});
export type EpochProgress = z.infer<typeof EpochProgress>;

export const TransferProgress = z.object({
  bytes: z.int().min(0),
  total_bytes: z.int().min(0),
  bytes_per_s: z.number().min(0),
});
export type TransferProgress = z.infer<typeof TransferProgress>;

export const FrameProgress = z.object({
  frames: z.int().min(0),
  total_frames: z.int().min(0).nullable(),
  frames_per_s: z.number().min(0).nullable(),
  seconds_left: z.number().nullable(),
});
export type FrameProgress = z.infer<typeof FrameProgress>;

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

/** What a worker has to say on a job; who says it, and when, is added as it is sent. */
export type WorkerProgress = Omit<ProgressMessage, 'type' | 'worker' | 'at'>;

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
