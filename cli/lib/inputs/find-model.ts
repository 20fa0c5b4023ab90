import { SleapRtcError } from '../../../protocol/errors.ts';
import { type Manifest, type ModelEntry, resolveModel } from '../../../protocol/models/manifest.ts';

/** Finds a model by its id, an alias, or the unique beginning of its id. @throws SleapRtcError MODEL_NOT_FOUND */
export function findModel(manifest: Manifest, reference: string): ModelEntry {
  const model = resolveModel(manifest, reference);
  if (model !== undefined) return model;
  throw new SleapRtcError('MODEL_NOT_FOUND', `The room ${manifest.room_id} has no model “${reference}”.`);
}
