import type { Manifest, ModelEntry } from '../../../protocol/models/manifest.ts';

/** Returns every alias of a model, its own first. */
export function aliasesOf(manifest: Manifest, model: ModelEntry): string[] {
  const naming = Object.entries(manifest.aliases)
    .filter(([, id]) => id === model.id)
    .map(([alias]) => alias);
  const own = model.alias !== null && naming.includes(model.alias) ? [model.alias] : [];
  return [...own, ...naming.filter((alias) => alias !== own[0])];
}

/** Returns a room's models, newest first. */
export function newestFirst(manifest: Manifest): ModelEntry[] {
  return Object.values(manifest.models).sort((a, b) => Date.parse(b.trained_at) - Date.parse(a.trained_at));
}
