import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type FileEntry, totalBytes } from '../../protocol/files.ts';
import type { JobInput, TrainingSpec } from '../../protocol/jobs/job.ts';
import type { ModelEntry } from '../../protocol/models/manifest.ts';
import { s3Layout, s3Url } from '../../protocol/stored/s3-layout.ts';
import type { ModelFiles, TrainedModel } from '../../protocol/stored/stored-objects.ts';
import { copyFile, inParallel, putFile, waitForStorage, writeJson } from '../../storage/index.ts';
import type { UploadModelInput } from '../contract.ts';
import { describeFile } from '../files/file-hashes.ts';
import { heartbeatWith } from '../heartbeat-details.ts';
import { type RunFolders, runFolders } from '../runs/job-folders.ts';
import { claimModel, releaseModel, whileClaimed } from './claim-model.ts';
import type { ModelDeps } from './deps.ts';
import type { ModelCache } from './model-cache.ts';
import { type ModelPlace, readModelFiles } from './model-files.ts';

/** A model is one large file and a dozen small ones. */
const FILES_AT_ONCE = 4;

/**
 * Brings a trained model to S3 in the seed's layout, with the run's log, and into this worker's cache. Files that are already among
 * the run's checkpoints are copied within S3. A retry sends what is missing. `files.json` comes last, so that a model is
 * there as a whole or not at all. If S3 is unavailable, this waits for as long as that lasts.
 * @throws SleapRtcError MODEL_EXISTS if another job has published the same model; NOT_ALLOWED, STORAGE_REFUSED if S3 refuses
 */
export function createUploadModel(deps: ModelDeps, cache: ModelCache) {
  return async function uploadModel({ input, trained }: UploadModelInput): Promise<ModelEntry> {
    const { spec, context } = input;
    const place = { bucket: deps.bucket, room: context.room_id, modelId: trained.model_id };
    const folders = runFolders(deps.workDir, spec.job_id, trained.run, trained.run_index);
    const progress = new UploadProgress(spec.job_id, totalBytes(trained.files), deps.publishProgress);

    heartbeatWith(() => progress.latest);
    const signal = Context.current().cancellationSignal;
    const onWaiting = () => progress.report(waitingWith('the trained model', deps.worker));
    await waitForStorage(() => upload({ deps, place, trained, folders, jobId: spec.job_id, progress, signal }), {
      signal,
      onWaiting,
    });
    // The model is in S3: if it does not fit into the cache, too, the next prediction here downloads it.
    await cache
      .add(trained.model_id, folders.model, trained.files)
      .catch((error: unknown) => deps.logger.warn({ err: error }, 'the model was not cached'));
    return modelEntry(input, trained, { worker: deps.worker, bucketName: deps.bucket.name });
  };
}

/** What a researcher reads while S3 is unavailable: what is finished is not lost. */
export function waitingWith(finished: string, worker: string): string {
  return `waiting for the room’s storage (S3), which is unavailable; ${finished} is safe on ${worker}`;
}

interface Upload {
  deps: ModelDeps;
  place: ModelPlace;
  trained: TrainedModel;
  folders: RunFolders;
  jobId: string;
  progress: UploadProgress;
  signal: AbortSignal;
}

/** Uploads log and model. If it is called again, it uploads what is missing. */
async function upload({ deps, place, trained, folders, jobId, progress, signal }: Upload): Promise<void> {
  progress.restart();
  await uploadLog(place, jobId, trained.run, folders, signal);
  const life = deps.claimLifeMs === undefined ? {} : { lifeMs: deps.claimLifeMs };
  const claim = await claimModel(place, jobId, { signal, ...life });
  if (claim !== 'published') {
    await whileClaimed(claim, signal, async (signal) => {
      await inParallel(trained.files, { limit: FILES_AT_ONCE, signal }, async (entry, signal) => {
        await uploadFile(place, jobId, trained, entry, folders.model, signal);
        progress.add(entry.size_bytes);
      });
      await publishFiles(place, { job_id: jobId, model_id: place.modelId, files: trained.files }, signal);
    });
  }
  await releaseModel(place);
}

/** Copies one file from the run's checkpoints if it is there, and otherwise uploads it. */
async function uploadFile(
  { bucket, room, modelId }: ModelPlace,
  jobId: string,
  trained: TrainedModel,
  entry: FileEntry,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const key = s3Layout.model(room, modelId) + entry.path;
  const checkpoint = s3Layout.checkpointFile(room, jobId, trained.run_index, entry.sha256);
  const copied = await copyFile(bucket, { from: checkpoint, to: key, entry, signal });
  if (copied === 'copied') return;
  await putFile(bucket, { key, from: join(folder, entry.path), entry, replace: copied === 'failed', signal });
}

/** Writes `files.json`, unless another job has. */
async function publishFiles(place: ModelPlace, list: ModelFiles, signal: AbortSignal): Promise<void> {
  const { bucket, room, modelId } = place;
  const options = { signal, condition: 'absent' } as const;
  if ((await writeJson(bucket, s3Layout.modelFiles(room, modelId), list, options)) !== undefined) return;
  const there = await readModelFiles(place, { signal });
  if (there?.job_id === list.job_id) return; // our own write, whose answer was lost
  throw new SleapRtcError('MODEL_EXISTS', `Model ${modelId} has been published already.`);
}

async function uploadLog(
  { bucket, room }: ModelPlace,
  jobId: string,
  run: string,
  { log: from }: RunFolders,
  signal: AbortSignal,
): Promise<void> {
  if ((await stat(from).catch(() => undefined)) === undefined) return;
  const key = `${s3Layout.jobLogs(room, jobId)}${run}.log`;
  await putFile(bucket, { key, from, entry: await describeFile(from, `${run}.log`), signal });
}

/** Reports to the room how far the upload is. */
class UploadProgress {
  #bytes = 0;
  readonly #startedAtMs = Date.now();
  readonly #jobId: string;
  readonly #totalBytes: number;
  readonly #publish: ModelDeps['publishProgress'];

  constructor(jobId: string, totalBytes: number, publish: ModelDeps['publishProgress']) {
    this.#jobId = jobId;
    this.#totalBytes = totalBytes;
    this.#publish = publish;
  }

  get latest() {
    const bytes_per_s = (this.#bytes * 1000) / Math.max(1, Date.now() - this.#startedAtMs);
    return { bytes: this.#bytes, total_bytes: this.#totalBytes, bytes_per_s };
  }

  /** An attempt begins, and counts all files again. */
  restart(): void {
    this.#bytes = 0;
    this.add(0);
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.#publish({ job_id: this.#jobId, phase: 'uploading', transfer: this.latest });
  }

  /** Says in words what the upload waits for. */
  report(detail: string): void {
    this.#publish({ job_id: this.#jobId, phase: 'uploading', detail });
  }
}

/** The model's entry in the manifest: every field of the seed's schema. */
function modelEntry(
  { spec, context }: JobInput<TrainingSpec>,
  trained: TrainedModel,
  { worker, bucketName }: { worker: string; bucketName: string },
): ModelEntry {
  const prefix = s3Layout.model(context.room_id, trained.model_id);
  return {
    id: trained.model_id,
    alias: aliasOf(spec, trained),
    model_type: trained.model_type,
    trained_at: trained.trained_at,
    trained_by: context.user_id,
    trained_on_worker: worker,
    s3_path: s3Url(bucketName, prefix),
    checkpoint_path: s3Url(bucketName, `${prefix}best.ckpt`),
    size_bytes: totalBytes(trained.files),
    available_on_workers: [worker],
    notes: spec.notes,
    tags: spec.tags,
    training: {
      dataset_hash: trained.dataset_hash,
      epochs: trained.epochs,
      final_loss: trained.final_loss,
      training_duration_sec: trained.training_duration_sec,
      ...(trained.stopped_early ? { stopped_early: true } : {}),
    },
  };
}

/** The researcher's alias. If the job has several runs, the model type is appended, since an alias names one model. */
function aliasOf(spec: TrainingSpec, trained: TrainedModel): string | null {
  if (spec.alias === undefined) return null;
  return spec.runs.length === 1 ? spec.alias : `${spec.alias}-${trained.model_type}`;
}
