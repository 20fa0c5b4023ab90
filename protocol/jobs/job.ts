import { z } from 'zod';
import { type FileEntry, FileList, RelPath } from '../files.ts';
import { Alias, JobId, ModelId, PeerId, RoomId, Tag, UserId } from '../ids.ts';
import { ModelType } from '../models/sleap-config.ts';
import { clippedText, TimeText } from '../text.ts';

/** Longest path of a researcher's file, in characters; Linux's own limit. */
const MAX_SOURCE_PATH = 4096;

/** Most sleap-nn runs of one training job, and so most models of one job. */
export const MAX_RUNS = 16;

/** More memory than any GPU has, in MB. */
const MAX_GPU_MEMORY_MB = 100_000_000;
/** Longest sentence about a job, in characters. */
const MAX_SENTENCE = 1000;
/** Longest error of a job: it may quote the last lines of a log. */
const MAX_ERROR = 4000;
/** Most aliases of one model that a job's view names. */
const MAX_ALIASES = 64;

/** What a job needs of a worker. Nothing set: any worker of the room. */
export const JobRequirements = z.object({
  min_gpu_memory_mb: z.int().min(0).max(MAX_GPU_MEMORY_MB).optional(),
  tags: z.array(Tag).max(16).optional(),
  worker: PeerId.optional(),
});
export type JobRequirements = z.infer<typeof JobRequirements>;

/** The order of jobs that wait for the same workers: 1 before all others, 5 after them; 3 by default. */
export const Priority = z.int().min(1).max(5);

/** A run's name is a file's name without ending: it becomes part of paths and keys. */
export const RunName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._=-]{0,126}$/);

/** One sleap-nn run of a training job. Paths are of the job's `files`. */
export const TrainingRun = z.object({
  /** The config's name without ending, e.g. `centroid`; unique in the job. */
  name: RunName,
  config: RelPath,
  train_labels: z.array(RelPath).min(1).max(64),
  val_labels: z.array(RelPath).max(64),
  model_type: ModelType,
});
export type TrainingRun = z.infer<typeof TrainingRun>;

const jobCommon = {
  job_id: JobId,
  /** What the researcher sees it called: the name of the labels or video. */
  name: z.string().min(1).max(200),
  /** What will be sent to the worker; each file is checked against its hash on arrival. */
  files: FileList,
  requirements: JobRequirements,
  /** False: the data is never copied to S3. If the worker is lost, the researcher's computer has to send it again. */
  stage: z.boolean().default(true),
  priority: Priority.optional(),
};

/** A training job as it is submitted. */
export const TrainingSpec = z
  .object({
    kind: z.literal('training'),
    ...jobCommon,
    runs: z.array(TrainingRun).min(1).max(MAX_RUNS),
    /** Alias for the model; with several runs each model gets `alias-model_type`. */
    alias: Alias.optional(),
    notes: z.string().max(2000).default(''),
    tags: z.array(Tag).max(32).default([]),
    /** Any text: makes another model id, to train the same config on the same data once more. */
    retrain: z.string().max(64).optional(),
  })
  .refine(aliasesFit, {
    path: ['alias'],
    error: 'with several models each gets NAME-<model type>, which has up to 63 characters',
  })
  .superRefine(({ runs, files }, issues) => {
    for (const [index, { config, train_labels, val_labels }] of runs.entries()) {
      refuseUnknown({ config: [config], train_labels, val_labels }, files, ['runs', index], issues);
    }
  });
export type TrainingSpec = z.infer<typeof TrainingSpec>;

/** Returns whether each model can have its alias: the manifest would refuse a longer one after the training. */
function aliasesFit({ alias, runs }: { alias?: string | undefined; runs: TrainingRun[] }): boolean {
  if (alias === undefined || runs.length === 1) return true;
  return runs.every(({ model_type }) => Alias.safeParse(`${alias}-${model_type}`).success);
}

/** Refuses a job that names a file which it does not send: a worker would notice that only after it has taken the job. */
function refuseUnknown(
  named: Record<string, readonly string[]>,
  files: readonly FileEntry[],
  path: (string | number)[],
  issues: z.core.$RefinementCtx,
): void {
  const sent = new Set(files.map((file) => file.path));
  for (const [field, paths] of Object.entries(named)) {
    const unknown = paths.find((name) => !sent.has(name));
    if (unknown === undefined) continue;
    issues.addIssue({ code: 'custom', path: [...path, field], message: `${unknown} is not among the job’s files` });
  }
}

/** Longest name of an inference's input, in bytes: its predictions are called after it, and file systems store 255 bytes. */
const MAX_INPUT_NAME_BYTES = 220;

/** The video or labels of an inference. */
const InferenceInputPath = RelPath.refine((path) => nameBytes(path) <= MAX_INPUT_NAME_BYTES, {
  error: `the name of the input has up to ${MAX_INPUT_NAME_BYTES} bytes`,
});

function nameBytes(path: string): number {
  return new TextEncoder().encode(path.slice(path.lastIndexOf('/') + 1)).length;
}

/** An inference job as it is submitted. */
const InferenceFields = z.object({
  kind: z.literal('inference'),
  ...jobCommon,
  /** One model, or the two of a top-down pair; resolved from aliases by the submitter. */
  models: z.array(ModelId).min(1).max(2),
  /** The video or labels to predict on, of `files`. */
  input: InferenceInputPath,
  /** The input's path on the researcher's computer. It is written into the predictions as text; no other computer opens it. */
  source_path: z
    .string()
    .min(1)
    .max(MAX_SOURCE_PATH)
    .refine((path) => !/\p{Cc}/u.test(path), 'a path has no control characters')
    .optional(),
  /** Frames: `0-49`, or a list such as `0,10,20`; absent: all. */
  frames: z
    .string()
    .max(200)
    .regex(/^(\d+-\d+|\d+(,\d+)*)$/, 'frames are given as 0-49 or 0,10,20')
    .optional(),
  tracking: z.boolean().default(false),
});
export const InferenceSpec = InferenceFields.superRefine(({ input, files }, issues) =>
  refuseUnknown({ input: [input] }, files, [], issues),
);
export type InferenceSpec = z.infer<typeof InferenceSpec>;

export const JobSpec = z.discriminatedUnion('kind', [TrainingSpec, InferenceSpec]);
export type JobSpec = z.infer<typeof JobSpec>;

/** What the server adds to a spec: the user, the room and the time. Never taken from the submitter. */
export const JobContext = z.object({
  room_id: RoomId,
  user_id: UserId,
  submitted_at: z.iso.datetime(),
  /** A free worker that has the job's data or models on disk: the session is offered to it before the others. */
  first_offer_to: PeerId.optional(),
});
export type JobContext = z.infer<typeof JobContext>;

/** The single argument of a job's workflow. */
export interface JobInput<Spec extends JobSpec = JobSpec> {
  spec: Spec;
  context: JobContext;
}

export const JobPhase = z.enum([
  'queued',
  'awaiting_data',
  'receiving',
  'training',
  'predicting',
  'uploading',
  'publishing',
  'returning',
  'paused',
  'done',
  'failed',
  'cancelled',
]);
export type JobPhase = z.infer<typeof JobPhase>;

/** True if a job has ended. */
export function isFinal(phase: JobPhase): boolean {
  return phase === 'done' || phase === 'failed' || phase === 'cancelled';
}

/** True if a job has not ended and holds no worker. It may stay so for days. */
export function isIdle(phase: JobPhase): boolean {
  return phase === 'queued' || phase === 'awaiting_data' || phase === 'paused';
}

/** A published model as a job reports it. */
export const JobModel = z.object({
  id: ModelId,
  model_type: ModelType,
  /** Aliases that name it now, the researcher's own first. */
  aliases: z.array(z.string().max(63)).max(MAX_ALIASES),
  run: z.string().max(128),
  /** Set if training ended before `max_epochs`. */
  stopped_early: z.boolean().optional(),
});
export type JobModel = z.infer<typeof JobModel>;

/**
 * How far the staging of a job's data is: `waiting` until a worker has it, `staging` while it goes to S3, `staged` once any worker
 * can download it from there, `failed` if S3 could not take it, `off` if it must stay on the worker. The researcher's computer can
 * be closed once it is `staged`.
 */
export const Staging = z.enum(['waiting', 'staging', 'staged', 'failed', 'off']);
export type Staging = z.infer<typeof Staging>;

/** A job's status, as its workflow reports it. */
export const JobStatus = z.object({
  job_id: JobId,
  kind: z.enum(['training', 'inference']),
  name: clippedText(200),
  user_id: z.string().max(128),
  phase: JobPhase,
  /** What the job waits for or does, in words. */
  detail: clippedText(MAX_SENTENCE),
  worker: z.string().max(63).nullable(),
  models: z.array(JobModel).max(MAX_RUNS),
  submitted_at: TimeText,
  priority: Priority.optional(),
  /** Absent while only Temporal's records can be asked. */
  staging: Staging.optional(),
  /** Set when the job has ended badly. */
  error: z
    .object({ code: z.string().max(64), message: clippedText(MAX_ERROR), remedy: clippedText(MAX_SENTENCE) })
    .nullable(),
});
export type JobStatus = z.infer<typeof JobStatus>;

/**
 * The answer to a workflow's query `jobStatus`. `session_id` is that of the GPU session which the job has now: the worker that
 * knows it may report progress, so the server shows it to nobody.
 */
export const JobStatusAnswer = JobStatus.extend({ session_id: z.string().max(64).nullable() });
export type JobStatusAnswer = z.infer<typeof JobStatusAnswer>;
