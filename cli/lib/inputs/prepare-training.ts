import { basename, dirname, isAbsolute, resolve } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { ModelType, TrainingConfig } from '../../../protocol/models/sleap-config.ts';
import { readTrainingConfigFile, type TrainingConfigFile } from './config-yaml.ts';
import { checkTrainingLabels, fileSize } from './labels-file.ts';
import { type PreparedFiles, refuseOutside } from './prepared-files.ts';
import { WireNames } from './wire-names.ts';

/** One requested run of a training. Its file names are those of `files`. */
export interface PreparedRun {
  name: string;
  config: string;
  trainLabels: string[];
  valLabels: string[];
  modelType: ModelType;
  parsed: TrainingConfig;
}

/** A training whose files have all been checked. */
export interface PreparedTraining extends PreparedFiles {
  runs: PreparedRun[];
}

/** The files that were given to `train`. */
export interface TrainingInputs {
  labels: string;
  configs: readonly string[];
  valLabels: readonly string[];
}

/**
 * Checks everything that can be checked on this machine, and sends nothing.
 * @throws SleapRtcError of exit code 2
 */
export async function prepareTraining(inputs: TrainingInputs): Promise<PreparedTraining> {
  return inputs.labels.toLowerCase().endsWith('.zip') ? fromPackage(inputs) : fromLabels(inputs);
}

async function fromLabels({ labels, configs, valLabels }: TrainingInputs): Promise<PreparedTraining> {
  await checkTrainingLabels(labels);
  if (configs.length === 0) {
    throw new SleapRtcError('USAGE', `Training on ${basename(labels)} needs a config.`, {
      remedy: 'Give --config FILE.yaml, or train on a *.training_job.zip, which contains its configs.',
    });
  }
  const files = new FileCollector();
  const runs: PreparedRun[] = [];
  for (const path of configs) {
    const config = await readTrainingConfigFile(path);
    const validation = valLabels.length > 0 ? [...valLabels] : validationOf(config);
    for (const file of validation) await checkTrainingLabels(file);
    runs.push(files.run(config, [labels], validation));
  }
  await refuseOutside(files.files);
  return {
    name: basename(labels),
    runs,
    files: files.files,
    remarks: [],
    close: () => Promise.resolve(),
  };
}

async function fromPackage({ labels, configs, valLabels }: TrainingInputs): Promise<PreparedTraining> {
  await fileSize(labels);
  if (configs.length > 0 || valLabels.length > 0) {
    throw new SleapRtcError('USAGE', 'A training job package contains its configs and labels.', {
      remedy: 'Leave out --config and --val-labels, or give a .pkg.slp instead of the package.',
    });
  }
  const { openPackage } = await import('./package.ts');
  const unpacked = await openPackage(labels);
  try {
    const files = new FileCollector();
    const runs: PreparedRun[] = [];
    for (const training of unpacked.trainings) {
      const train = training.trainLabels.map((file) => unpacked.path(file));
      const validation = training.valLabels.map((file) => unpacked.path(file));
      for (const file of [...train, ...validation]) await checkTrainingLabels(file);
      runs.push(files.run(await readTrainingConfigFile(unpacked.path(training.config)), train, validation));
    }
    await refuseOutside(files.files);
    const remarks =
      unpacked.inferences === 0 ? [] : ['The package also requests predictions. `train` only trains its models.'];
    return {
      name: basename(labels),
      runs,
      files: files.files,
      remarks,
      close: () => unpacked.close(),
    };
  } catch (error) {
    await unpacked.close();
    throw error;
  }
}

/** The validation labels that a config names. Relative paths start at the config's folder. */
function validationOf({ config, absolutePath }: TrainingConfigFile): string[] {
  const named = config.data_config?.val_labels_path;
  const paths = (Array.isArray(named) ? named : [named]).filter((path) => typeof path === 'string' && path !== '');
  return paths.map((path: string) => (isAbsolute(path) ? path : resolve(dirname(absolutePath), path)));
}

/** Collects each file once, even if several runs use it. */
class FileCollector {
  readonly files: { absolutePath: string; path: string }[] = [];
  readonly #names = new WireNames();
  readonly #runNames = new WireNames();

  run({ absolutePath, config, modelType }: TrainingConfigFile, train: string[], validation: string[]): PreparedRun {
    return {
      name: this.#runNames.forRun(absolutePath),
      config: this.#add(absolutePath),
      trainLabels: train.map((path) => this.#add(path)),
      valLabels: validation.map((path) => this.#add(path)),
      modelType,
      parsed: config,
    };
  }

  #add(path: string): string {
    const absolutePath = resolve(path);
    const known = this.files.find((file) => file.absolutePath === absolutePath);
    if (known !== undefined) return known.path;
    const added = { absolutePath, path: this.#names.forFile(path) };
    this.files.push(added);
    return added.path;
  }
}
