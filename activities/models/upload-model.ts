import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { Context } from '@temporalio/activity';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { JobInput, TrainingSpec } from '../../protocol/job.ts';
import type { ModelEntry } from '../../protocol/manifest.ts';
import { s3Layout, s3Url } from '../../protocol/s3-layout.ts';
import { abortOption } from '../../storage/abort-option.ts';
import { inParallel } from '../../storage/in-parallel.ts';
import { putFile } from '../../storage/put-file.ts';
import { isConflict, withStorageErrors } from '../../storage/storage-errors.ts';
import type { UploadModelInput } from '../contract.ts';
import { describeFile } from '../files/describe-file.ts';
import { heartbeatWith } from '../heartbeat-details.ts';
import type { TrainedModel } from '../runs/trained-model.ts';
import { claimModel, releaseModel, whileClaimed } from './claim-model.ts';
import type { ModelDeps } from './deps.ts';
import type { ModelCache } from './model-cache.ts';
import { type ModelFiles, readModelFiles } from './model-files.ts';

/** A model is one large file and a dozen small ones. */
const FILES_AT_ONCE = 4;

/**
 * Copies a trained model to S3 in the seed's layout, with the run's log, and keeps it in this worker's cache. Done again,
 * it sends what is missing; `files.json` comes last, so that a model is there whole or not at all.
 * @throws SleapRtcError MODEL_EXISTS where another job has published the same model; STORAGE_UNREACHABLE (retryable)
 */
export function createUploadModel(deps: ModelDeps, cache: ModelCache) {
  const { s3, bucket, workDir, worker } = deps;
  const claimLife = deps.claimLifeMs === undefined ? {} : { lifeMs: deps.claimLifeMs };
  return async function uploadModel(args: UploadModelInput): Promise<ModelEntry> {
    const { spec, context } = args.input;
    const { trained } = args;
    const where = { bucket, room: context.room_id, modelId: trained.model_id };
    const folder = join(workDir, 'jobs', spec.job_id, 'models', trained.run);
    const total_bytes = trained.files.reduce((sum, file) => sum + file.size_bytes, 0);
    let bytes = 0;
    const startedAtMs = Date.now();
    const transfer = () => ({
      bytes,
      total_bytes,
      bytes_per_s: (bytes * 1000) / Math.max(1, Date.now() - startedAtMs),
    });
    const report = () => deps.publishProgress({ job_id: spec.job_id, phase: 'uploading', transfer: transfer() });

    const signal = Context.current().cancellationSignal;
    heartbeatWith(transfer);
    await withStorageErrors(async () => {
      report();
      await uploadLog(args.input, trained.run, signal);
      const claim = await claimModel(s3, where, spec.job_id, { signal, ...claimLife });
      if (claim !== 'published') {
        const prefix = s3Layout.model(where.room, where.modelId);
        await whileClaimed(s3, claim, signal, async (signal) => {
          await inParallel(trained.files, { limit: FILES_AT_ONCE, signal }, async (entry, signal) => {
            await putFile(s3, { bucket, key: prefix + entry.path, from: join(folder, entry.path), entry, signal });
            bytes += entry.size_bytes;
            report();
          });
          await publishFiles({ job_id: spec.job_id, model_id: trained.model_id, files: trained.files }, signal);
        });
      }
      await releaseModel(s3, where);
      await cache.add(trained.model_id, folder, trained.files);
    });
    return modelEntry(args.input, trained, total_bytes);

    async function publishFiles(list: ModelFiles, signal: AbortSignal): Promise<void> {
      const Key = s3Layout.modelFiles(where.room, where.modelId);
      const Body = JSON.stringify(list, null, 2);
      try {
        await s3.send(
          new PutObjectCommand({ Bucket: bucket, Key, Body, ContentType: 'application/json', IfNoneMatch: '*' }),
          abortOption(signal),
        );
      } catch (error) {
        if (!isConflict(error)) throw error;
        const there = await readModelFiles(s3, where, signal);
        if (there?.job_id === list.job_id) return; // our own write, whose answer was lost
        throw new SleapRtcError('MODEL_EXISTS', `Model ${where.modelId} has been published already.`);
      }
    }
  };

  async function uploadLog({ spec, context }: JobInput<TrainingSpec>, run: string, signal: AbortSignal): Promise<void> {
    const from = join(workDir, 'jobs', spec.job_id, 'logs', `${run}.log`);
    if ((await stat(from).catch(() => undefined)) === undefined) return;
    const key = `${s3Layout.job(context.room_id, spec.job_id)}logs/${run}.log`;
    await putFile(s3, { bucket, key, from, entry: await describeFile(from, `${run}.log`), signal });
  }

  /** What the manifest says of the model: every field of the seed's schema. */
  function modelEntry(
    { spec, context }: JobInput<TrainingSpec>,
    trained: TrainedModel,
    size_bytes: number,
  ): ModelEntry {
    const prefix = s3Layout.model(context.room_id, trained.model_id);
    return {
      id: trained.model_id,
      alias: aliasOf(spec, trained),
      model_type: trained.model_type,
      trained_at: trained.trained_at,
      trained_by: context.user_id,
      trained_on_worker: worker,
      s3_path: s3Url(bucket, prefix),
      checkpoint_path: s3Url(bucket, `${prefix}best.ckpt`),
      size_bytes,
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
}

/** The researcher's alias; with several runs in a job each model gets its type behind it, since an alias names one model. */
function aliasOf(spec: TrainingSpec, trained: TrainedModel): string | null {
  if (spec.alias === undefined) return null;
  return spec.runs.length === 1 ? spec.alias : `${spec.alias}-${trained.model_type}`;
}
