/**
 * What workflows ask of activities: names, arguments and results. Workflows proxy these types and the factories beside
 * this file are checked against them, so that neither can drift. Types only: nothing here runs.
 *
 * Every activity takes one object and is idempotent: doing it again finds the earlier work.
 */
import type { InferenceSpec, JobInput, JobRequirements, JobSpec, TrainingSpec } from '../protocol/job.ts';
import type { ChangeOutcome, ManifestChange, ModelEntry } from '../protocol/manifest.ts';
import type { TrainedModel } from './runs/trained-model.ts';

/** Most activities of a job need the job, and no more. */
export interface JobActivityInput<Spec extends JobSpec = JobSpec> {
  input: JobInput<Spec>;
}

export interface TrainInput extends JobActivityInput<TrainingSpec> {
  run_index: number;
  /** True where a worker before this one had the job: its checkpoints may lie in S3. */
  again?: boolean;
}

export interface RunGpuSessionInput {
  /** Chosen by the workflow; `gpuSessionOpened` and `endGpuSession` name it. */
  session_id: string;
  room_id: string;
  job_id: string;
  /** A worker that does not meet these hands the session back. */
  requirements: JobRequirements;
  /** Whom to signal. */
  workflow_id: string;
}

/** The argument of the signal `gpuSessionOpened`, by which a worker answers. */
export interface GpuSessionOpened {
  session_id: string;
  /** The worker's name, for people. */
  worker: string;
  /** Where the session's other activities are done. */
  worker_queue: string;
}

export interface EndGpuSessionInput {
  session_id: string;
  job_id: string;
}

/** On a session queue. */
export interface SessionActivities {
  /**
   * Takes a worker's GPU slot, signals `gpuSessionOpened` and heartbeats until the session is ended.
   * Fails with GPU_BUSY (retried by the server) where another session was faster.
   */
  runGpuSession(args: RunGpuSessionInput): Promise<void>;
}

/** On a worker's own queue, during a session. */
export interface WorkerActivities {
  /** Frees the slot; returns when nothing of the job runs on the worker any more. */
  endGpuSession(args: EndGpuSessionInput): Promise<void>;
  /** Brings the job's files to `jobs/{job_id}/dataset/`: from S3 where they are staged, else from the researcher. */
  receiveDataset(args: JobActivityInput): Promise<void>;
  /** Copies those files to S3, so that another worker needs no researcher. */
  stageDataset(args: JobActivityInput): Promise<void>;
  /** One sleap-nn run, `input.spec.runs[run_index]`. */
  train(args: TrainInput): Promise<TrainedModel>;
  /** Has the run under way end early, as soon as there is a best model to keep; a later attempt of it, too. */
  stopTraining(args: JobActivityInput<TrainingSpec> & { run_index: number }): Promise<void>;
  /** Tells the run under way that it will be cancelled to go on later: its last checkpoint is to be kept in S3 then. */
  pauseTraining(args: JobActivityInput<TrainingSpec> & { run_index: number }): Promise<void>;
  /** Copies a trained model to S3; the entry is what the manifest shall say of it. */
  uploadModel(args: JobActivityInput<TrainingSpec> & { trained: TrainedModel }): Promise<ModelEntry>;
  /** Tells the room's peers (`job_complete`), and brings the models or predictions to the researcher, where they are there. */
  returnResults(args: JobActivityInput & { model_ids: string[] }): Promise<{ delivered: boolean }>;
  /** Sees to it that `input.spec.models` lie in the worker's cache, whole; `fetched` are those that did not. */
  ensureModels(args: JobActivityInput<InferenceSpec>): Promise<{ fetched: string[] }>;
  /** Runs `sleap-nn predict` into `jobs/{job_id}/results/`. */
  predict(args: JobActivityInput<InferenceSpec>): Promise<PredictionSummary>;
  /** Copies `jobs/{job_id}/results/` to the job's folder in S3, for a researcher who has left. */
  uploadResults(args: JobActivityInput<InferenceSpec>): Promise<void>;
  /** Copies `jobs/{job_id}/logs/` there, of a job that failed. */
  uploadLogs(args: JobActivityInput): Promise<void>;
}

/** What a prediction came to. */
export interface PredictionSummary {
  frames: number;
  seconds: number;
}

export interface RequestManifestChangesInput {
  room_id: string;
  changes: ManifestChange[];
  /** The workflow that wants the outcomes, as the signal `manifestChangesApplied`. */
  reply_to?: { workflow_id: string };
}

export interface ApplyManifestChangesInput {
  room_id: string;
  changes: ManifestChange[];
}

export interface ClearJobStorageInput {
  room_id: string;
  job_id: string;
  /** SHA-256s of the job's files. */
  dataset: string[];
  /** Models that it has begun to upload and will not publish. */
  unpublished?: string[];
}

/** On CONTROL_QUEUE. */
export interface ControlActivities {
  /** Hands changes to the room's registry workflow, starting it where it is not running. */
  requestManifestChanges(args: RequestManifestChangesInput): Promise<void>;
  /** Writes changes into the room's manifest: one outcome a change, in the order given. */
  applyManifestChanges(args: ApplyManifestChangesInput): Promise<ChangeOutcome[]>;
  /** Removes from S3 what only a running job needs: checkpoints, its data where no other job uses it, models not published. */
  clearJobStorage(args: ClearJobStorageInput): Promise<void>;
}
