import { randomBytes } from 'node:crypto';
import type { InferenceSpec, JobInput, TrainingRun, TrainingSpec } from '../../protocol/jobs/job.ts';
import type { ModelEntry } from '../../protocol/models/manifest.ts';
import type { ModelType } from '../../protocol/models/sleap-config.ts';
import type { TrainedModel } from '../../protocol/stored/stored-objects.ts';

/** A training job of one run or more, as the API would start it. Each call makes new ids. */
export function trainingInput(
  overrides: { room?: string; modelTypes?: ModelType[]; spec?: Partial<TrainingSpec> } = {},
): JobInput<TrainingSpec> {
  const { room = 'lab-mice', modelTypes = ['centroid'] } = overrides;
  const runs = modelTypes.map(
    (model_type): TrainingRun => ({
      name: model_type,
      config: `${model_type}.yaml`,
      train_labels: ['labels.pkg.slp'],
      val_labels: [],
      model_type,
    }),
  );
  return {
    spec: {
      kind: 'training',
      job_id: randomBytes(8).toString('hex'),
      name: 'labels.pkg.slp',
      files: [
        { path: 'labels.pkg.slp', size_bytes: 1_000_000, sha256: 'a'.repeat(64) },
        ...runs.map((run) => ({ path: run.config, size_bytes: 2_000, sha256: 'b'.repeat(64) })),
      ],
      requirements: {},
      stage: true,
      runs,
      notes: '',
      tags: [],
      ...overrides.spec,
    },
    context: { room_id: room, user_id: 'user-123', submitted_at: '2025-11-11T10:00:00.000Z' },
  };
}

/** An inference job with the two models of a top-down pair. */
export function inferenceInput({ room = 'lab-mice' }: { room?: string } = {}): JobInput<InferenceSpec> {
  return {
    spec: {
      kind: 'inference',
      job_id: randomBytes(8).toString('hex'),
      name: 'clip.mp4',
      files: [{ path: 'clip.mp4', size_bytes: 9_000_000, sha256: 'd'.repeat(64) }],
      requirements: {},
      stage: true,
      models: ['11111111', '22222222'],
      input: 'clip.mp4',
      tracking: false,
    },
    context: { room_id: room, user_id: 'user-123', submitted_at: '2025-11-11T10:00:00.000Z' },
  };
}

/** What `train` would return; the model's id comes from job and run. */
export function trainedModel({ spec }: JobInput<TrainingSpec>, run_index: number): TrainedModel {
  const run = spec.runs[run_index];
  if (run === undefined) throw new Error(`no run ${run_index}`);
  return {
    run: run.name,
    run_index,
    model_id: `${spec.job_id.slice(0, 7)}${run_index}`,
    model_type: run.model_type,
    dataset_hash: 'd7f3a1b2',
    epochs: 10,
    final_loss: 0.02,
    training_duration_sec: 3,
    trained_at: new Date(Date.UTC(2025, 10, 11, 10, run_index)).toISOString(),
    stopped_early: false,
    files: [{ path: 'best.ckpt', size_bytes: 5_000_000, sha256: 'c'.repeat(64) }],
  };
}

/** What `uploadModel` would return. */
export function modelEntry(
  { spec, context }: JobInput<TrainingSpec>,
  trained: TrainedModel,
  worker: string,
): ModelEntry {
  const folder = `s3://sleap-rtc-rooms/${context.room_id}/models/${trained.model_id}/`;
  return {
    id: trained.model_id,
    alias: spec.alias ?? null,
    model_type: trained.model_type,
    trained_at: trained.trained_at,
    trained_by: context.user_id,
    trained_on_worker: worker,
    s3_path: folder,
    checkpoint_path: `${folder}best.ckpt`,
    size_bytes: 5_000_000,
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
