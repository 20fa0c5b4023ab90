import { type Document, isAlias, isMap, isNode, isScalar, parseDocument, Scalar, visit } from 'yaml';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { type ModelType, readTrainingConfig, type TrainingConfig } from '../../../protocol/models/sleap-config.ts';
import { weightsIn } from '../weights/named-weights.ts';

/** sleap-nn's own sections. Any other section is Hydra's (`defaults`, `hydra`) and could read and write other files. */
const SECTIONS = [
  'data_config',
  'model_config',
  'trainer_config',
  'name',
  'description',
  'sleap_nn_version',
  'filename',
];

/** Keys that read a file which is not part of the job. If we ignored them, another model would be trained than was asked for. */
const REFUSED_PATHS = [
  ['model_config', 'pretrained_backbone_weights'],
  ['model_config', 'pretrained_head_weights'],
  ['trainer_config', 'resume_ckpt_path'],
] as const;

/** What the worker decides about a run. Paths are relative to the folder that sleap-nn runs in. */
export interface WorkerDecisions {
  trainLabels: readonly string[];
  valLabels: readonly string[];
  /** Folder for the run's folder `runName`, which does not exist yet. */
  ckptDir: string;
  runName: string;
  /** The checkpoint of an earlier attempt from which the run resumes. */
  resumeFrom: string | null;
}

/** A researcher's config that has been checked. */
export interface CheckedConfig {
  config: TrainingConfig;
  modelType: ModelType;
  /** The number of epochs; sleap-nn's default is 100. */
  maxEpochs: number;
  /**
   * The weights of others that the worker must fetch if sleap-nn has no network.
   * @throws SleapRtcError CONFIG_INVALID if the config needs the network for something else
   */
  weightsToFetch(): string[];
  /** The config for this worker, as YAML. */
  forWorker(decisions: WorkerDecisions): string;
}

const SLEAP_NN_DEFAULT_MAX_EPOCHS = 100;

/**
 * Reads a researcher's sleap-nn config (YAML) and checks that nothing in it reaches outside the job. It must not have
 * interpolations, which could read the worker's environment, Hydra directives, or files that are not part of the job.
 * @param name the file's name, for messages
 * @throws SleapRtcError CONFIG_INVALID naming the key
 */
export function checkTrainingConfig(text: string, name: string): CheckedConfig {
  const document = parseDocument(text, { merge: false, prettyErrors: true });
  const [error] = document.errors;
  if (error !== undefined) throw invalid(name, `line ${error.linePos?.[0].line ?? '?'} is not valid YAML`);
  refuseReferences(document, name);
  const { config, modelType } = readTrainingConfig(document.toJS(), name);
  for (const section of Object.keys(config)) {
    if (!SECTIONS.includes(section)) throw invalid(name, `${section} is not a section of a sleap-nn training config`);
  }
  for (const path of REFUSED_PATHS) {
    const value = document.getIn(path);
    if (value !== null && value !== undefined && value !== '') {
      throw invalid(name, `${path.join('.')} names a file that is not part of the job; leave it empty`);
    }
  }
  refuseLocalBackbone(document, name);
  const maxEpochs = document.getIn(['trainer_config', 'max_epochs']);
  return {
    config,
    modelType,
    maxEpochs: typeof maxEpochs === 'number' ? maxEpochs : SLEAP_NN_DEFAULT_MAX_EPOCHS,
    weightsToFetch: () => weightsToFetch(document, name),
    forWorker: (decisions) => forWorker(document.clone(), decisions),
  };
}

/**
 * A pretrained backbone is named by its Hugging Face id; the same key also takes a folder.
 */
function refuseLocalBackbone(document: Document, name: string): void {
  const path = ['model_config', 'backbone_config', 'pretrained', 'model_name'];
  const model = document.getIn(path);
  if (typeof model === 'string' && !/^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/.test(model)) {
    throw invalid(name, `${path.join('.')} must be a Hugging Face model id such as facebook/convnextv2-nano-22k-224`);
  }
}

function weightsToFetch(document: Document, name: string): string[] {
  const path = ['model_config', 'backbone_config', 'pretrained', 'model_name'];
  if (typeof document.getIn(path) === 'string') {
    const problem = `${path.join('.')} names a model on Hugging Face, and sleap-nn runs without a network on this worker`;
    throw invalid(name, `${problem}; use another backbone, or ask the worker’s administrator (SLEAP_RTC_SANDBOX)`);
  }
  return weightsIn(document);
}

/** Refuses aliases, merge keys, tags and interpolations: sleap-nn would resolve them after our check. */
function refuseReferences(document: Document, name: string): void {
  visit(document, (key, node, ancestors) => {
    const at = () => keyPath([...ancestors, node]) || String(key ?? 'the file');
    if (isAlias(node)) throw invalid(name, `${at()} uses a YAML alias (*${node.source}); write the value out`);
    if (isNode(node) && node.tag !== undefined) throw invalid(name, `${at()} uses a YAML tag (${node.tag})`);
    if (!isScalar(node)) return;
    if (key === 'key' && node.value === '<<')
      throw invalid(name, `${at()} uses a YAML merge key (<<); write the values out`);
    if (typeof node.value === 'string' && node.value.includes('${')) {
      throw invalid(name, `${at()} uses an interpolation (\${…}); write the value out`);
    }
  });
}

function forWorker(document: Document, worker: WorkerDecisions): string {
  // Comments are removed: Hydra reads directives (`# @package`) in those at the top.
  document.commentBefore = null;
  visit(document, {
    Node: (_key, node) => {
      node.commentBefore = null;
      node.comment = null;
    },
  });

  const set = (path: string, value: string | number | boolean | null | readonly string[]) => {
    const keys = path.split('.');
    for (let depth = 1; depth < keys.length; depth += 1) {
      const parent = keys.slice(0, depth);
      if (!isMap(document.getIn(parent))) document.setIn(parent, document.createNode({}));
    }
    document.setIn(keys, quoted(document, value));
  };
  set('data_config.train_labels_path', worker.trainLabels);
  set('data_config.val_labels_path', worker.valLabels.length > 0 ? worker.valLabels : null);
  set('data_config.test_file_path', null);
  set('data_config.cache_img_path', null);
  set('data_config.use_existing_imgs', false);
  set('data_config.delete_cache_imgs_after_training', true);
  set('filename', '');

  set('trainer_config.ckpt_dir', worker.ckptDir);
  set('trainer_config.run_name', worker.runName);
  set('trainer_config.resume_ckpt_path', worker.resumeFrom);
  set('trainer_config.save_ckpt', true);
  set('trainer_config.model_ckpt.save_last', true);
  set('trainer_config.model_ckpt.save_top_k', 1);
  // The launcher sets its own.
  set('trainer_config.zmq.publish_port', null);
  set('trainer_config.zmq.controller_port', null);
  // We follow the run ourselves: it needs no progress bar in the log, no pictures, and no Weights & Biases with its key.
  set('trainer_config.enable_progress_bar', false);
  set('trainer_config.visualize_preds_during_training', false);
  set('trainer_config.keep_viz', false);
  set('trainer_config.profiler', null);
  set('trainer_config.use_wandb', false);
  document.deleteIn(['trainer_config', 'wandb']);
  // The config may name devices of the exporter's machine. This worker uses what it has, unless the config asks for the CPU.
  set('trainer_config.trainer_device_indices', null);
  if (document.getIn(['trainer_config', 'trainer_accelerator']) !== 'cpu')
    set('trainer_config.trainer_accelerator', 'auto');
  return document.toString({ lineWidth: 0 });
}

/** Our strings are always quoted: sleap-nn's reader is YAML 1.1, in which a bare `yes` or `1:30` is not a string. */
function quoted(document: Document, value: string | number | boolean | null | readonly string[]) {
  const node = document.createNode(value);
  visit(node, {
    Scalar: (_key, scalar) => {
      if (typeof scalar.value === 'string') scalar.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return node;
}

function keyPath(nodes: readonly unknown[]): string {
  const keys: string[] = [];
  for (const node of nodes) {
    if (typeof node === 'object' && node !== null && 'key' in node && isScalar(node.key))
      keys.push(String(node.key.value));
  }
  return keys.join('.');
}

function invalid(name: string, problem: string): SleapRtcError {
  return new SleapRtcError('CONFIG_INVALID', `${name}: ${problem}.`);
}
