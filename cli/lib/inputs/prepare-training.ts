import { basename, dirname, isAbsolute, resolve } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { ModelType, TrainingConfig } from '../../../protocol/sleap-config.ts';
import { type ConfigFile, readConfig } from './config-yaml.ts';
import { checkTrainingLabels, fileSize } from './labels-file.ts';
import type { PreparedFiles } from './prepared-files.ts';
import { WireNames } from './wire-names.ts';

/** One run of a training as it was asked for; file names are those of `files`. */
export interface PreparedRun {
  name: string;
  config: string;
  trainLabels: string[];
  valLabels: string[];
  modelType: ModelType;
  parsed: TrainingConfig;
}

/** A training whose files have all been looked at. */
export interface PreparedTraining extends PreparedFiles {
  runs: PreparedRun[];
}

/** What `train` was given. */
export interface TrainingInputs {
  labels: string;
  configs: readonly string[];
  valLabels: readonly string[];
}

/**
 * Checks everything that can be checked on this machine. Nothing is made or sent.
 * @throws SleapRtcError of exit code 2 with the sentence for the researcher
 */
export async function prepareTraining(inputs: TrainingInputs): Promise<PreparedTraining> {
  return inputs.labels.toLowerCase().endsWith('.zip') ? fromPackage(inputs) : fromLabels(inputs);
}

async function fromLabels({ labels, configs, valLabels }: TrainingInputs): Promise<PreparedTraining> {
  await checkTrainingLabels(labels);
  if (configs.length === 0) {
    throw new SleapRtcError('USAGE', `Training on ${basename(labels)} takes a config.`, {
      remedy: 'Give --config FILE.yaml, or a *.training_job.zip, which brings its own.',
    });
  }
  const files = new FileCollector();
  const runs: PreparedRun[] = [];
  for (const path of configs) {
    const config = await readConfig(path);
    const validation = valLabels.length > 0 ? [...valLabels] : validationOf(config);
    for (const file of validation) await checkTrainingLabels(file);
    runs.push(files.run(config, [labels], validation));
  }
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
    throw new SleapRtcError('USAGE', 'A training job package brings its own configs and labels.', {
      remedy: 'Leave --config and --val-labels out, or give the .pkg.slp instead of the package.',
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
      runs.push(files.run(await readConfig(unpacked.path(training.config)), train, validation));
    }
    const remarks =
      unpacked.inferences === 0 ? [] : ['The package also asks for predictions; `train` makes the models only.'];
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

/** Labels to validate on that a config names, where they lie beside it. */
function validationOf({ config, absolutePath }: ConfigFile): string[] {
  const named = config.data_config?.val_labels_path;
  const paths = (Array.isArray(named) ? named : [named]).filter((path) => typeof path === 'string' && path !== '');
  return paths.map((path: string) => (isAbsolute(path) ? path : resolve(dirname(absolutePath), path)));
}

/** Collects each file once, however many runs use it. */
class FileCollector {
  readonly files: { absolutePath: string; path: string }[] = [];
  readonly #names = new WireNames();
  readonly #runNames = new WireNames();

  run({ absolutePath, config, modelType }: ConfigFile, train: string[], validation: string[]): PreparedRun {
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
