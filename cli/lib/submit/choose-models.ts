import { SleapRtcError } from '../../../protocol/errors.ts';
import type { Manifest, ModelEntry } from '../../../protocol/models/manifest.ts';
import { findModel } from '../inputs/find-model.ts';

/** Types of models that predict one animal at a time, around the position that a centroid model found. */
const SECOND_STAGE: readonly string[] = ['centered_instance', 'multi_class_topdown'];

/**
 * Resolves references to models that predict together: one model, or a centroid model and a model for the animals that it finds.
 * @returns the models, the centroid model first
 * @throws SleapRtcError MODEL_NOT_FOUND, USAGE
 */
export function chooseModels(manifest: Manifest, references: readonly string[]): ModelEntry[] {
  const models = references.map((reference) => findModel(manifest, reference));
  const [first, second] = models;
  if (first === undefined)
    throw new SleapRtcError('USAGE', 'No model is given.', { remedy: 'Name a model with --model.' });
  if (second === undefined) {
    if (!SECOND_STAGE.includes(first.model_type)) return models;
    throw new SleapRtcError(
      'USAGE',
      `${first.id} (${first.model_type}) needs a centroid model, which finds the animals.`,
      {
        remedy: `Name both: -m latest-centroid -m ${references[0] ?? first.id}`,
      },
    );
  }
  const centroid = models.find(({ model_type }) => model_type === 'centroid');
  const partner = models.find(({ model_type }) => SECOND_STAGE.includes(model_type));
  if (models.length === 2 && centroid !== undefined && partner !== undefined) return [centroid, partner];
  const given = models.map(({ id, model_type }) => `${id} (${model_type})`).join(' and ');
  throw new SleapRtcError('USAGE', `${given} cannot predict together.`, {
    remedy: 'Name one model, or a centroid model and a centered_instance model.',
  });
}
