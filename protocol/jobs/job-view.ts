/** What a reader sees of a job: one view, which the server merges from Temporal's status and the worker's progress. */
import { z } from 'zod';
import { JobId } from '../ids.ts';
import { JobPhase, JobStatus, Staging } from './job.ts';

/** Longest name of a run that a worker may report, in characters; the name in a job's spec is shorter. */
const MAX_RUN_NAME = 128;
/** Longest line of progress, in characters. */
const MAX_DETAIL = 1000;

/** Epochs of one sleap-nn run, as the worker sees them over ZMQ. Losses are null until known. */
export const EpochProgress = z.object({
  run: z.string().max(MAX_RUN_NAME),
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

/** How far a job is within its phase. */
const phaseProgress = {
  transfer: TransferProgress.optional(),
  epoch: EpochProgress.optional(),
  frames: FrameProgress.optional(),
};

/** The phases that a worker may report; the others are not its decision. */
export const WorkerPhase = JobPhase.extract([
  'receiving',
  'training',
  'predicting',
  'uploading',
  'publishing',
  'returning',
]);

/** What a worker reports of its job while it has the job's session. */
export const WorkerProgress = z.object({
  job_id: JobId,
  /** Absent if the report is about the data only. */
  phase: WorkerPhase.optional(),
  /** One line for people, e.g. `loading sleap-nn`. */
  detail: z.string().max(MAX_DETAIL).optional(),
  ...phaseProgress,
  /** Set once the job's data is in the room's storage. */
  staging: Staging.extract(['staged']).optional(),
});
export type WorkerProgress = z.infer<typeof WorkerProgress>;

/** The place in line of a job that waits for a worker, and why it waits. */
export const Waiting = z.object({
  /** 1-based place in line, as far as the server can know it: users take turns. */
  position: z.int(),
  /** Jobs that wait for the same workers, including this one. */
  queued: z.int(),
  workers_fitting: z.int(),
  workers_free: z.int(),
  /** All of it in words, without a full stop. */
  sentence: z.string(),
});
export type Waiting = z.infer<typeof Waiting>;

/** A job as every reader sees it. */
export const JobView = JobStatus.extend({
  ...phaseProgress,
  /** Set while the job is queued and its place in line is known. */
  waiting: Waiting.optional(),
  /** The job's page in the Temporal UI; null if there is no UI. */
  temporal_ui_url: z.string().nullable(),
  /** True while Temporal is unavailable: the job may be further than this. */
  outdated: z.literal(true).optional(),
});
export type JobView = z.infer<typeof JobView>;

/** A change of a job. `seq` increases within a room, also when the server restarts; numbers may be skipped. */
export const JobEvent = z.object({ seq: z.int().min(0), job: JobView });
export type JobEvent = z.infer<typeof JobEvent>;
