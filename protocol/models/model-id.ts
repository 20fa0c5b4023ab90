import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { TrainingConfig } from './sleap-config.ts';

/** Keys for file paths and for watching a run. They do not change the result of the training, so they do not change a model's id. */
const UNIDENTIFYING_KEYS: Record<string, readonly string[]> = {
  data_config: [
    'train_labels_path',
    'val_labels_path',
    'test_file_path',
    'cache_img_path',
    'delete_cache_imgs_after_training',
  ],
  trainer_config: [
    'ckpt_dir',
    'run_name',
    'zmq',
    'wandb',
    'use_wandb',
    'enable_progress_bar',
    'resume_ckpt_path',
    'visualize_preds_during_training',
    'keep_viz',
  ],
};

const SHORT = 8;

/** The seed's `dataset_hash`: 8 hexadecimal digits over the SHA-256s of the label files, in any order. */
export function datasetHash(sha256s: readonly string[]): string {
  return createHash('sha256')
    .update([...sha256s].sort().join('\n'))
    .digest('hex')
    .slice(0, SHORT);
}

/**
 * A model's id: 8 hexadecimal digits over its config (without paths and run names, in RFC 8785 canonical form) and its dataset.
 * The same config and data give the same id; `retrain` (any string) makes another id.
 */
export function modelId(config: TrainingConfig, dataset: string, retrain = ''): string {
  const identifying: Record<string, unknown> = {};
  for (const [section, value] of Object.entries(config)) {
    const dropped = UNIDENTIFYING_KEYS[section] ?? [];
    identifying[section] =
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).filter(([key]) => !dropped.includes(key)))
        : value;
  }
  // `name` and versions are notes of the exporter.
  for (const note of ['name', 'description', 'sleap_nn_version', 'filename']) delete identifying[note];
  const text = canonicalize({ config: identifying, dataset, retrain }) ?? '';
  return createHash('sha256').update(text).digest('hex').slice(0, SHORT);
}
