/**
 * What workflows ask of activities: names, arguments and results. Workflows proxy these types and the factories beside
 * this file are checked against them, so that neither can drift. Workflows may import the types only.
 *
 * Every activity takes one object and is idempotent: doing it again finds the earlier work. The types of the objects are those
 * of their schemas, against which each worker checks what Temporal hands it (`workers/interceptors/parse-input.ts`).
 */
import { z } from 'zod';
import { MAX_FILES } from '../protocol/files.ts';
import { JobId, ModelId, PeerId, RoomId, Sha256 } from '../protocol/ids.ts';
import { InferenceSpec, JobContext, JobRequirements, JobSpec, MAX_RUNS, TrainingSpec } from '../protocol/jobs/job.ts';
import { type ChangeOutcome, ManifestChange, type ModelEntry } from '../protocol/models/manifest.ts';
import { TrainedModel } from '../protocol/stored/stored-objects.ts';

/** More than the registry puts into one write, and than one job asks for. */
const MAX_CHANGES = 1_000;
/** Longest id of a workflow that Temporal takes, in characters. */
const MAX_WORKFLOW_ID = 1_000;

/** Most workers that one session avoids. */
const MAX_AVOIDED = 64;

const WorkflowId = z.string().min(1).max(MAX_WORKFLOW_ID);

function jobWith<Spec extends z.ZodType>(spec: Spec) {
  return z.object({ input: z.object({ spec, context: JobContext }) });
}

/** Most activities of a job need the job, and no more. */
const JobActivityInput = jobWith(JobSpec);
export type JobActivityInput = z.infer<typeof JobActivityInput>;

const InferenceInput = jobWith(InferenceSpec);
export type InferenceInput = z.infer<typeof InferenceInput>;

/** One run of a training job, `input.spec.runs[run_index]`. */
const RunInput = jobWith(TrainingSpec).extend({
  run_index: z
    .int()
    .min(0)
    .max(MAX_RUNS - 1),
});
export type RunInput = z.infer<typeof RunInput>;

const TrainInput = RunInput.extend({
  /** True if a worker before this one had the job: S3 may have its checkpoints. */
  may_have_remote_checkpoint: z.boolean().optional(),
});
export type TrainInput = z.infer<typeof TrainInput>;

const ControlTrainingInput = RunInput.extend({
  /**
   * `stop`: the run, or a later attempt of it, ends as soon as it has a best model. `pause`: the run will be cancelled to go on
   * later, so its last checkpoint must be uploaded then.
   */
  action: z.enum(['stop', 'pause']),
});
export type ControlTrainingInput = z.infer<typeof ControlTrainingInput>;

const UploadModelInput = jobWith(TrainingSpec).extend({ trained: TrainedModel });
export type UploadModelInput = z.infer<typeof UploadModelInput>;

const ReceiveDatasetInput = JobActivityInput.extend({
  /** True if a worker before this one had the job's data: the researcher then reads that their computer is needed again. */
  had_worker_before: z.boolean().optional(),
});
export type ReceiveDatasetInput = z.infer<typeof ReceiveDatasetInput>;
const ReturnResultsInput = JobActivityInput.extend({ model_ids: z.array(ModelId).max(MAX_RUNS) });
export type ReturnResultsInput = z.infer<typeof ReturnResultsInput>;

const RunGpuSessionInput = z.object({
  /** Chosen by the workflow; `gpuSessionOpened` and `endGpuSession` name it. */
  session_id: z.uuid(),
  room_id: RoomId,
  job_id: JobId,
  /** A worker that does not meet these hands the session back. */
  requirements: JobRequirements,
  /** Workers that had trouble with this job and hand the session back until a time, in ms since 1970. */
  avoid: z
    .array(z.object({ worker: PeerId, until_ms: z.int() }))
    .max(MAX_AVOIDED)
    .optional(),
  /** True if only the researcher's computer has the data: a worker hands the session back while that computer is offline. */
  needs_researcher: z.boolean().optional(),
  /** Whom to signal. */
  workflow_id: WorkflowId,
});
export type RunGpuSessionInput = z.infer<typeof RunGpuSessionInput>;

/** The argument of the signal `gpuSessionOpened`, by which a worker answers. */
export interface GpuSessionOpened {
  session_id: string;
  /** The worker's name, for people. */
  worker: string;
  /** The queue on which the session's other activities are done. */
  worker_queue: string;
}

const EndGpuSessionInput = z.object({
  session_id: z.uuid(),
  job_id: JobId,
  /** True if the job's files stay on the worker: it will go on here, or they are all that is left of finished work. */
  keep_files: z.boolean().optional(),
});
export type EndGpuSessionInput = z.infer<typeof EndGpuSessionInput>;

/** On a session queue. */
export interface SessionActivities {
  /**
   * Takes a worker's GPU slot, signals `gpuSessionOpened` and heartbeats until the session is ended.
   * Fails with GPU_BUSY (retried by the server) if another session was faster.
   */
  runGpuSession(args: RunGpuSessionInput): Promise<void>;
}

/** On a worker's own queue, during a session. */
export interface WorkerActivities {
  /** Frees the slot; returns when nothing of the job runs on the worker any more. */
  endGpuSession(args: EndGpuSessionInput): Promise<void>;
  /** Brings the job's files to `jobs/{job_id}/dataset/`: from S3 if they are staged, else from the researcher. */
  receiveDataset(args: ReceiveDatasetInput): Promise<void>;
  /** Copies those files to S3, so that another worker needs no researcher. */
  stageDataset(args: JobActivityInput): Promise<void>;
  /** One sleap-nn run, `input.spec.runs[run_index]`. */
  train(args: TrainInput): Promise<TrainedModel>;
  /** Ends the run in progress early, or prepares it for a pause. */
  controlTraining(args: ControlTrainingInput): Promise<void>;
  /** Copies a trained model to S3; the result is its entry for the manifest. */
  uploadModel(args: UploadModelInput): Promise<ModelEntry>;
  /** Informs the room's peers (`job_complete`), and sends the models or predictions to the researcher if they are online. */
  returnResults(args: ReturnResultsInput): Promise<{ delivered: boolean }>;
  /** Makes sure that `input.spec.models` lie in the worker's cache, whole; `fetched` are those that did not. */
  ensureModels(args: InferenceInput): Promise<{ fetched: string[] }>;
  /** Runs `sleap-nn predict` into `jobs/{job_id}/results/`. */
  predict(args: InferenceInput): Promise<PredictionSummary>;
  /** Copies `jobs/{job_id}/results/` to the job's folder in S3, for a researcher who is offline. */
  uploadResults(args: InferenceInput): Promise<void>;
  /** Copies `jobs/{job_id}/logs/` there, of a job that failed. */
  uploadLogs(args: JobActivityInput): Promise<void>;
}

/** The figures of a prediction. */
export interface PredictionSummary {
  frames: number;
  seconds: number;
}

const ApplyManifestChangesInput = z.object({
  room_id: RoomId,
  changes: z.array(ManifestChange).max(MAX_CHANGES),
});
export type ApplyManifestChangesInput = z.infer<typeof ApplyManifestChangesInput>;

const RequestManifestChangesInput = ApplyManifestChangesInput.extend({
  /** The workflow that wants the outcomes, as the signal `manifestChangesApplied`. */
  reply_to: z.object({ workflow_id: WorkflowId }).optional(),
});
export type RequestManifestChangesInput = z.infer<typeof RequestManifestChangesInput>;

const ClearJobStorageInput = z.object({
  room_id: RoomId,
  job_id: JobId,
  /** SHA-256s of the job's files. */
  dataset: z.array(Sha256).max(MAX_FILES),
  /** Models that it has begun to upload and will not publish. */
  unpublished: z.array(ModelId).max(MAX_RUNS).optional(),
});
export type ClearJobStorageInput = z.infer<typeof ClearJobStorageInput>;

/** On CONTROL_QUEUE. */
export interface ControlActivities {
  /** Hands changes to the room's registry workflow, starting it if it is not running. */
  requestManifestChanges(args: RequestManifestChangesInput): Promise<void>;
  /** Writes changes into the room's manifest: one outcome a change, in the order given. */
  applyManifestChanges(args: ApplyManifestChangesInput): Promise<ChangeOutcome[]>;
  /** Removes from S3 what only a running job needs: checkpoints, its data if no other job uses it, models not published. */
  clearJobStorage(args: ClearJobStorageInput): Promise<void>;
}

type Activities = SessionActivities & WorkerActivities & ControlActivities;

export type ActivityName = keyof Activities;

/** The schema of every activity's argument. */
export const activityInputs = {
  runGpuSession: RunGpuSessionInput,
  endGpuSession: EndGpuSessionInput,
  receiveDataset: ReceiveDatasetInput,
  stageDataset: JobActivityInput,
  train: TrainInput,
  controlTraining: ControlTrainingInput,
  uploadModel: UploadModelInput,
  returnResults: ReturnResultsInput,
  ensureModels: InferenceInput,
  predict: InferenceInput,
  uploadResults: InferenceInput,
  uploadLogs: JobActivityInput,
  requestManifestChanges: RequestManifestChangesInput,
  applyManifestChanges: ApplyManifestChangesInput,
  clearJobStorage: ClearJobStorageInput,
} satisfies { [Name in ActivityName]: z.ZodType<Parameters<Activities[Name]>[0]> };
