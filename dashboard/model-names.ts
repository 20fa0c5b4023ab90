import type { Manifest, ModelEntry } from '../protocol/manifest.ts';

/** Every alias that names a model now, its own first. */
export function aliasesOf(manifest: Manifest, model: ModelEntry): string[] {
  const naming = Object.entries(manifest.aliases)
    .filter(([, id]) => id === model.id)
    .map(([alias]) => alias);
  return naming.sort((a, b) => Number(b === model.alias) - Number(a === model.alias));
}

/** What to call a model where there is room for one name. */
export function nameOfModel(manifest: Manifest | undefined, id: string): string {
  const model = manifest !== undefined && Object.hasOwn(manifest.models, id) ? manifest.models[id] : undefined;
  return (manifest !== undefined && model !== undefined ? aliasesOf(manifest, model)[0] : undefined) ?? id;
}

/** A room's models, newest first. */
export function newestFirst(manifest: Manifest): ModelEntry[] {
  return Object.values(manifest.models).sort((a, b) => Date.parse(b.trained_at) - Date.parse(a.trained_at));
}
