import { z } from 'zod';
import { MAX_JOB_BYTES } from '../files.ts';
import { JobId, ModelId, PeerId } from '../ids.ts';
import { JobRequirements } from '../jobs/job.ts';
import { limitedRecord } from './limited-record.ts';

/** Models that one message names: a job has at most so many. */
const MAX_MODELS = 16;
/** Longest reason why a worker cannot take a job, in characters. */
const MAX_REASON = 500;

/**
 * The status of a worker, in `properties.status`: `draining` finishes its job and takes no other, `drained` has none left,
 * `unhealthy` takes none since they failed there for its own reasons (`properties.reason`).
 */
export const WorkerStatus = z.enum(['available', 'busy', 'draining', 'drained', 'unhealthy']);
export type WorkerStatus = z.infer<typeof WorkerStatus>;

/** The payloads that peers send each other through the server, as the seed names them. */
export const PeerPayload = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('job_request'),
    job_id: JobId,
    kind: z.enum(['training', 'inference']),
    requirements: JobRequirements,
    total_bytes: z.int().min(0).max(MAX_JOB_BYTES),
  }),
  z.object({
    type: z.literal('job_response'),
    job_id: JobId,
    accepted: z.boolean(),
    reason: z.string().max(MAX_REASON),
  }),
  z.object({ type: z.literal('registry_query'), model_ids: z.array(ModelId).max(MAX_MODELS) }),
  z.object({ type: z.literal('registry_response'), has_models: limitedRecord(ModelId, z.boolean(), MAX_MODELS) }),
  // `drain` false takes it back; `exit`: the worker's process ends after its job.
  z.object({ type: z.literal('drain_request'), drain: z.boolean(), exit: z.boolean() }),
  z.object({ type: z.literal('drain_response'), status: WorkerStatus, job_id: JobId.nullable() }),
  z.object({
    type: z.literal('job_complete'),
    job_id: JobId,
    worker: PeerId,
    model_ids: z.array(ModelId).max(MAX_MODELS),
  }),
]);
export type PeerPayload = z.infer<typeof PeerPayload>;
