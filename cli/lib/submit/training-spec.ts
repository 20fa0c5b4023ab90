import type { ZodError } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { FileEntry } from '../../../protocol/files.ts';
import { type JobRequirements, TrainingSpec } from '../../../protocol/job.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import { datasetHash, modelId } from '../../../protocol/model-id.ts';
import type { PreparedTraining } from '../inputs/prepare-training.ts';

/** What the researcher chose, except labels and configs. */
export interface TrainingOptions {
  jobId: string;
  alias?: string | undefined;
  notes: string;
  tags: string[];
  again: boolean;
  requirements: JobRequirements;
  /** False if the data must stay on the worker. */
  stage: boolean;
  /** 1 to 5; undefined means the default. */
  priority?: number | undefined;
}

/**
 * Makes the job's spec.
 * @param entries sizes and hashes of the prepared files
 * @throws SleapRtcError USAGE naming the option that is wrong
 */
export function trainingSpec(
  prepared: Pick<PreparedTraining, 'name' | 'runs'>,
  entries: FileEntry[],
  options: TrainingOptions,
): TrainingSpec {
  const parsed = TrainingSpec.safeParse({
    kind: 'training',
    job_id: options.jobId,
    name: prepared.name.slice(0, 200),
    files: entries,
    requirements: options.requirements,
    stage: options.stage,
    priority: options.priority,
    runs: prepared.runs.map((run) => ({
      name: run.name,
      config: run.config,
      train_labels: run.trainLabels,
      val_labels: run.valLabels,
      model_type: run.modelType,
    })),
    alias: options.alias,
    notes: options.notes,
    tags: options.tags,
    again: options.again ? options.jobId : undefined,
  });
  if (parsed.success) return parsed.data;
  throw notAccepted(parsed.error);
}

/** The error for a spec that is not valid, naming the part that is wrong. */
export function notAccepted(error: ZodError): SleapRtcError {
  const issue = error.issues[0];
  return new SleapRtcError(
    'USAGE',
    `${issue?.path.join('.') ?? 'The job'} is not valid: ${issue?.message ?? 'unknown reason'}.`,
  );
}

/**
 * Refuses to train what the room has already, before anything is sent.
 * @throws SleapRtcError MODEL_EXISTS naming the models
 */
export function refuseKnownModels(
  prepared: Pick<PreparedTraining, 'runs'>,
  spec: TrainingSpec,
  manifest: Manifest,
): void {
  const known = prepared.runs.flatMap((run) => {
    const labels = new Set([...run.trainLabels, ...run.valLabels]);
    const hashes = spec.files.filter(({ path }) => labels.has(path)).map(({ sha256 }) => sha256);
    const model = manifest.models[modelId(run.parsed, datasetHash(hashes), spec.again)];
    return model === undefined ? [] : [`${model.id} (${model.model_type}, by ${model.trained_by})`];
  });
  if (known.length === 0) return;
  const what =
    prepared.runs.length === 1
      ? 'this config'
      : known.length === prepared.runs.length
        ? 'these configs'
        : 'one of these configs';
  throw new SleapRtcError('MODEL_EXISTS', `The room already has a model of ${what} and data: ${known.join(', ')}.`);
}
