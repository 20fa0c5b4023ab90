import { SleapRtcError } from '../../../protocol/errors.ts';
import type { FileEntry } from '../../../protocol/files.ts';
import { TrainingSpec } from '../../../protocol/jobs/job.ts';
import type { Manifest, ModelEntry } from '../../../protocol/models/manifest.ts';
import { datasetHash, modelId } from '../../../protocol/models/model-id.ts';
import type { PreparedRun, PreparedTraining } from '../inputs/prepare-training.ts';
import { commonSpec, type JobOptions, notAccepted } from './job-spec.ts';

/** What the researcher chose, except labels and configs. */
export interface TrainingOptions extends JobOptions {
  alias?: string | undefined;
  notes: string;
  tags: string[];
  /** True to train again even if the room has a model of the same config and data. */
  retrain: boolean;
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
    ...commonSpec(prepared.name, entries, options),
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
    retrain: options.retrain ? options.jobId : undefined,
  });
  if (parsed.success) return parsed.data;
  throw notAccepted(parsed.error);
}

/**
 * Leaves out the runs whose models the room already has.
 * @param say called with a sentence if some runs are left out
 * @throws SleapRtcError MODEL_EXISTS naming the models if the room has all of them
 */
export function withoutKnownModels(
  prepared: Pick<PreparedTraining, 'runs'>,
  spec: TrainingSpec,
  manifest: Manifest,
  say: (sentence: string) => void,
): TrainingSpec {
  const models = prepared.runs.map((run) => knownModel(run, spec, manifest));
  const known = models.filter((model) => model !== undefined);
  if (known.length === 0) return spec;
  const names = known.map(({ id, model_type, trained_by }) => `${id} (${model_type}, by ${trained_by})`).join(', ');
  if (known.length === models.length) {
    const configs = models.length === 1 ? 'this config' : 'these configs';
    throw new SleapRtcError('MODEL_EXISTS', `The room already has a model of ${configs} and data: ${names}.`);
  }
  const runs = spec.runs.filter((_, index) => models[index] === undefined);
  say(`The room already has ${names}. Only the rest is trained: ${runs.map(({ name }) => name).join(', ')}.`);
  const needed = new Set(runs.flatMap((run) => [run.config, ...run.train_labels, ...run.val_labels]));
  const files = spec.files.filter(({ path }) => needed.has(path));
  // A model that is trained alone gets the alias unchanged, so the alias gets the ending here that it would have beside the others.
  const suffix = runs.length === 1 ? `-${runs[0]?.model_type}` : '';
  const parsed = TrainingSpec.safeParse({ ...spec, runs, files, alias: spec.alias && `${spec.alias}${suffix}` });
  if (parsed.success) return parsed.data;
  throw notAccepted(parsed.error);
}

function knownModel(run: PreparedRun, spec: TrainingSpec, manifest: Manifest): ModelEntry | undefined {
  const labels = new Set([...run.trainLabels, ...run.valLabels]);
  const hashes = spec.files.filter(({ path }) => labels.has(path)).map(({ sha256 }) => sha256);
  return manifest.models[modelId(run.parsed, datasetHash(hashes), spec.retrain)];
}
