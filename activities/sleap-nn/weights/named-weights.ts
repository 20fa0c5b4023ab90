import { type Document, parseDocument } from 'yaml';

/** Keys by which sleap-nn starts from weights of torchvision. */
const PATHS = [
  ['model_config', 'backbone_config', 'convnext', 'pre_trained_weights'],
  ['model_config', 'backbone_config', 'swint', 'pre_trained_weights'],
] as const;

/** The weights that a config names. */
export function weightsIn(config: Document): string[] {
  return PATHS.map((path) => config.getIn(path))
    .filter((name) => typeof name === 'string')
    .filter((name) => name !== '');
}

/** The weights that a config (YAML) names. sleap-nn loads them also to predict with a model that began with them. */
export function namedWeights(config: string): string[] {
  return weightsIn(parseDocument(config, { merge: false }));
}
