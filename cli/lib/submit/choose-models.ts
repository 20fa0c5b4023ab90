import { SleapRtcError } from '../../../protocol/errors.ts';
import type { Manifest, ModelEntry } from '../../../protocol/manifest.ts';
import { findModel } from '../inputs/find-model.ts';

/** Heads that see one animal at a time, at places that a centroid model has found. */
const SECOND_STAGE: readonly string[] = ['centered_instance', 'multi_class_topdown'];

/**
 * Resolves references to models that predict together: one, or a centroid model and one for the animals it finds.
 * @returns the models, the centroid model first
 * @throws SleapRtcError MODEL_NOT_FOUND, USAGE
 */
export function chooseModels(manifest: Manifest, references: readonly string[]): ModelEntry[] {
  const models = references.map((reference) => findModel(manifest, reference));
  const [first, second] = models;
  if (first === undefined) throw new SleapRtcError('USAGE', 'No model is given.', { remedy: 'Give one with -m.' });
  if (second === undefined) {
    if (!SECOND_STAGE.includes(first.model_type)) return models;
    throw new SleapRtcError(
      'USAGE',
      `${first.id} (${first.model_type}) works on animals that a centroid model has found.`,
      {
        remedy: `Give both: -m latest-centroid -m ${references[0] ?? first.id}`,
      },
    );
  }
  const centroid = models.find(({ model_type }) => model_type === 'centroid');
  const partner = models.find(({ model_type }) => SECOND_STAGE.includes(model_type));
  if (models.length === 2 && centroid !== undefined && partner !== undefined) return [centroid, partner];
  const given = models.map(({ id, model_type }) => `${id} (${model_type})`).join(' and ');
  throw new SleapRtcError('USAGE', `${given} do not predict together.`, {
    remedy: 'Give one model, or a centroid model and a centered_instance model.',
  });
}
