/** What a reader sees of a job: one view, which the server merges from Temporal's status and the worker's progress. */
import { z } from 'zod';
import { MAX_JOB_BYTES } from '../files.ts';
import { JobId } from '../ids.ts';
import { Count, clippedText } from '../text.ts';
import { JobPhase, JobStatus, MAX_RUNS, Staging } from './job.ts';

/** Longest name of a run that a worker may report, in characters; the name in a job's spec is shorter. */
const MAX_RUN_NAME = 128;
/** Longest line of progress, in characters. */
const MAX_DETAIL = 1000;

/** sleap-nn's `max_epochs`; -1 stands for no limit. */
export const MaxEpochs = z.int().min(-1).max(1_000_000_000);

/** Epochs of one sleap-nn run, as the worker sees them over ZMQ. Losses are null until known. */
export const EpochProgress = z.object({
  run: z.string().max(MAX_RUN_NAME),
  /** 0-based run number and number of runs in the job. */
  run_index: z
    .int()
    .min(0)
    .max(MAX_RUNS - 1),
  run_count: z.int().min(0).max(MAX_RUNS),
  /** Epochs finished, counted from 1. */
  epoch: Count,
  max_epochs: MaxEpochs.nullable(),
  train_loss: z.number().nullable(),
  val_loss: z.number().nullable(),
  seconds_left: z.number().nullable(),
});
export type EpochProgress = z.infer<typeof EpochProgress>;

/** Bytes of a whole job; not more than numbers count exactly. */
const ByteCount = z.int().min(0).max(MAX_JOB_BYTES);

export const TransferProgress = z.object({
  bytes: ByteCount,
  total_bytes: ByteCount,
  bytes_per_s: z.number().min(0),
});
export type TransferProgress = z.infer<typeof TransferProgress>;

export const FrameProgress = z.object({
  frames: Count,
  total_frames: Count.nullable(),
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
  position: Count,
  /** Jobs that wait for the same workers, including this one. */
  queued: Count,
  workers_fitting: Count,
  workers_free: Count,
  /** All of it in words, without a full stop. */
  sentence: clippedText(MAX_DETAIL),
});
export type Waiting = z.infer<typeof Waiting>;

/** A job as every reader sees it. */
export const JobView = JobStatus.extend({
  ...phaseProgress,
  /** Set while the job is queued and its place in line is known. */
  waiting: Waiting.optional(),
  /** The job's page in the Temporal UI; null if there is no UI. */
  temporal_ui_url: z.string().max(2048).nullable(),
  /** True while Temporal is unavailable: the job may be further than this. */
  outdated: z.literal(true).optional(),
});
export type JobView = z.infer<typeof JobView>;

/** The number of an event: the server's clock in microseconds when it began to count, and upwards. */
export const EventSeq = z
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER - 1);

/** A change of a job. `seq` increases within a room, also when the server restarts; numbers may be skipped. */
export const JobEvent = z.object({ seq: EventSeq, job: JobView });
export type JobEvent = z.infer<typeof JobEvent>;
