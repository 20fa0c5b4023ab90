import type { Manifest, ModelEntry } from '../../protocol/models/manifest.ts';

/** Returns every alias of a model, its own first. */
export function aliasesOf(manifest: Manifest, model: ModelEntry): string[] {
  const naming = Object.entries(manifest.aliases)
    .filter(([, id]) => id === model.id)
    .map(([alias]) => alias);
  return naming.sort((a, b) => Number(b === model.alias) - Number(a === model.alias));
}

/** Returns one name for a model: its first alias, or its id if it has none. */
export function nameOfModel(manifest: Manifest | undefined, id: string): string {
  const model = manifest !== undefined && Object.hasOwn(manifest.models, id) ? manifest.models[id] : undefined;
  return (manifest !== undefined && model !== undefined ? aliasesOf(manifest, model)[0] : undefined) ?? id;
}

/** Returns a room's models, newest first. */
export function newestFirst(manifest: Manifest): ModelEntry[] {
  return Object.values(manifest.models).sort((a, b) => Date.parse(b.trained_at) - Date.parse(a.trained_at));
}
