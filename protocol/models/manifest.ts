import { z } from 'zod';
import { Alias, ModelId, RoomId, Tag } from '../ids.ts';
import { ModelType } from './sleap-config.ts';

const Timestamp = z.iso.datetime({ offset: true });

/** How a model was trained, as in the seed's schema. */
export const TrainingSummary = z.looseObject({
  dataset_hash: z.string(),
  epochs: z.int().min(0),
  final_loss: z.number().nullable(),
  training_duration_sec: z.number().min(0),
  /** Not in the seed: training ended before `max_epochs`, by sleap-nn's early stopping or by `jobs stop`. Absent if it did not. */
  stopped_early: z.boolean().optional(),
});

/** One model of a room's manifest: every field of the seed's schema. Unknown fields of newer releases are preserved. */
export const ModelEntry = z.looseObject({
  id: ModelId,
  alias: Alias.nullable(),
  model_type: ModelType,
  trained_at: Timestamp,
  trained_by: z.string(),
  trained_on_worker: z.string(),
  s3_path: z.string(),
  checkpoint_path: z.string(),
  size_bytes: z.int().min(0),
  available_on_workers: z.array(z.string()),
  notes: z.string(),
  tags: z.array(Tag),
  training: TrainingSummary,
});
export type ModelEntry = z.infer<typeof ModelEntry>;

/** A room's `manifest.json`. */
export const Manifest = z.looseObject({
  version: z.literal('1.0'),
  room_id: RoomId,
  updated_at: Timestamp,
  models: z.record(ModelId, ModelEntry),
  aliases: z.record(Alias, ModelId),
});
export type Manifest = z.infer<typeof Manifest>;

/** The manifest of a room that has none yet. */
export function emptyManifest(roomId: string, now: Date): Manifest {
  return { version: '1.0', room_id: roomId, updated_at: now.toISOString(), models: {}, aliases: {} };
}

/** The alias that always names a room's newest model of a type. */
export function latestAlias(modelType: ModelType): string {
  return `latest-${modelType}`;
}

/** Finds a model by id, alias or unique id prefix of at least 4 digits. Returns undefined if there is none. */
export function resolveModel(manifest: Manifest, reference: string): ModelEntry | undefined {
  const id = (Object.hasOwn(manifest.aliases, reference) ? manifest.aliases[reference] : undefined) ?? reference;
  if (Object.hasOwn(manifest.models, id)) return manifest.models[id];
  if (!/^[0-9a-f]{4,8}$/.test(reference)) return undefined;
  const matches = Object.values(manifest.models).filter((model) => model.id.startsWith(reference));
  return matches.length === 1 ? matches[0] : undefined;
}

/** One change of a manifest, for the registry workflow. Applying it twice is the same as once. */
export const ManifestChange = z.discriminatedUnion('type', [
  z.object({ type: z.literal('publish_model'), change_id: z.string(), model: ModelEntry }),
  z.object({ type: z.literal('set_alias'), change_id: z.string(), alias: Alias, model_id: ModelId }),
  z.object({ type: z.literal('remove_alias'), change_id: z.string(), alias: Alias }),
  z.object({ type: z.literal('model_on_worker'), change_id: z.string(), model_id: ModelId, worker: z.string() }),
  z.object({ type: z.literal('worker_gone'), change_id: z.string(), worker: z.string() }),
]);
export type ManifestChange = z.infer<typeof ManifestChange>;

/** The outcome of a change. */
export interface ChangeOutcome {
  change_id: string;
  ok: boolean;
  /** A code of `errors.ts` and a sentence, if `ok` is false. */
  error?: { code: string; message: string };
}
