import { z } from 'zod';
import { FileList } from '../files.ts';
import { JobId, ModelId, RoomId, UserId } from '../ids.ts';
import { MAX_RUNS, RunName } from '../jobs/job.ts';
import { ModelType } from '../models/sleap-config.ts';

/**
 * The JSON objects of the room bucket, other than the manifest (`manifest.ts`). `s3-layout.ts` has their keys.
 */

/** Most users whom a room's owner can remove. Changing the token removes everybody. */
export const MAX_REMOVED_USERS = 500;

/** `room.json`, and the same as a row of the table of rooms. Times are whole seconds since 1970, as DynamoDB's TTL needs them. */
export const StoredRoom = z.object({
  room_id: RoomId,
  /** SHA-256 of the members' token, in hexadecimal: a leaked table opens no room. */
  token: z.string(),
  /** The same of the owner's and the viewers' tokens. */
  owner_token: z.string(),
  viewer_token: z.string(),
  created_at: z.number(),
  expires_at: z.number(),
  /** Who made it; information for admins, which gives no rights. */
  created_by: z.string(),
  /** Users whom the owner has removed. */
  removed_users: z.array(UserId).max(MAX_REMOVED_USERS).default([]),
  /** When the owner deleted it. Its name stays taken, so that nobody else gets the jobs of that name. */
  deleted_at: z.number().optional(),
});
export type StoredRoom = z.infer<typeof StoredRoom>;

/** `files.json` of a model: written last, so its presence means that the model is whole. */
export const ModelFiles = z.object({ job_id: JobId, model_id: ModelId, files: FileList });
export type ModelFiles = z.infer<typeof ModelFiles>;

/** `claim.json` of a model: the job that uploads it. Each attempt of the job has a claim of its own. */
export const ModelClaim = z.object({ job_id: JobId });

/** `results.json` of an inference job: written last, too. */
export const ResultFiles = z.object({ job_id: JobId, files: FileList });

/** `attempt.json` on a worker, and the same in S3: one start of sleap-nn for a run. */
export const AttemptRecord = z.object({
  number: z.int().min(1),
  /**
   * When Temporal's server scheduled the activity attempt that made this one, in ms since 1970: the one clock that all workers
   * share. If two workers both believe that they have the run, the later one has it.
   */
  term: z.int(),
  /** The attempt from whose checkpoint this one resumed; null if it began at epoch 0. */
  resumed_from: z.int().nullable(),
  started_at: z.iso.datetime(),
  /** Set when sleap-nn has ended well. */
  finished_at: z.iso.datetime().nullable(),
});
export type AttemptRecord = z.infer<typeof AttemptRecord>;

/** A finished run as the activity `train` returns it. Temporal's history has this; the files themselves never go there. */
export const TrainedModel = z.object({
  /** The run's name, `spec.runs[run_index].name`. */
  run: RunName,
  run_index: z
    .int()
    .min(0)
    .max(MAX_RUNS - 1),
  model_id: ModelId,
  model_type: ModelType,
  dataset_hash: z.string().max(64),
  /** Epochs trained, in all attempts together. */
  epochs: z.int().min(0),
  /** The best validation loss; null if sleap-nn logged none. */
  final_loss: z.number().nullable(),
  training_duration_sec: z.number().min(0),
  /** ISO 8601. */
  trained_at: z.iso.datetime(),
  /** True if training ended before `max_epochs`: because of a plateau, or because somebody stopped it. */
  stopped_early: z.boolean(),
  /** In the worker's folder `jobs/{job_id}/models/{run}`. */
  files: FileList,
});
export type TrainedModel = z.infer<typeof TrainedModel>;

/** An attempt in S3. */
export const StoredAttempt = z.object({
  record: AttemptRecord,
  /** When its last checkpoint was written; ISO 8601. */
  saved_at: z.iso.datetime(),
  /** The files of its run folder that are in S3, each under its hash. */
  files: FileList,
});
export type StoredAttempt = z.infer<typeof StoredAttempt>;

/** All that another worker needs to continue a run: its attempts, oldest first. The last one has `last.ckpt`, or it has finished. */
export const Snapshot = z.object({ epochs_done: z.int().min(1), attempts: z.array(StoredAttempt).min(1) });
export type Snapshot = z.infer<typeof Snapshot>;

/** `latest.json` of a run: written when all the files are there that it names. */
export const Checkpoints = z.object({
  /** The term of the attempt that has the run. An attempt of an earlier term may not write, and so removes nothing that is named here. */
  term: z.int(),
  /** The newest, and the one before; none if the run has only been taken over. */
  snapshots: z.array(Snapshot).max(2),
  /** The finished model, whose files are among those of the checkpoints. */
  trained: TrainedModel.optional(),
});
export type Checkpoints = z.infer<typeof Checkpoints>;
