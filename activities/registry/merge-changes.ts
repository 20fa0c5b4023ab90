import { isDeepStrictEqual } from 'node:util';
import type { ErrorCode } from '../../protocol/errors.ts';
import {
  type ChangeOutcome,
  latestAlias,
  type Manifest,
  type ManifestChange,
  type ModelEntry,
} from '../../protocol/models/manifest.ts';
import { ModelType } from '../../protocol/models/sleap-config.ts';

/** A manifest after changes, and the outcome of each change. */
export interface Merged {
  manifest: Manifest;
  /** One a change, in the order given. */
  outcomes: ChangeOutcome[];
  /** False if the manifest already had all changes, for example after a write whose reply was lost. */
  changed: boolean;
}

/** Aliases that only the registry sets. */
const RESERVED_ALIASES = new Set(ModelType.options.map(latestAlias));

/**
 * Merges changes into a manifest, which is left as it is. Merging the same changes again changes nothing; fields of newer
 * releases stay; a change that cannot be made is refused by its outcome and touches nothing.
 *
 * Changes in one batch are concurrent, so any order is right. Publications are made first, whatever the order given, so that
 * a repeated batch ends as it did the first time.
 */
export function mergeChanges(manifest: Manifest, changes: readonly ManifestChange[], now: Date): Merged {
  const merged = structuredClone(manifest);
  const refusals = new Map<ManifestChange, Refusal>();
  for (const change of changes.toSorted((a, b) => rank(a) - rank(b))) refusals.set(change, applyChange(merged, change));
  nameModels(merged);

  const outcomes = changes.map((change): ChangeOutcome => {
    const refusal = refusals.get(change);
    return { change_id: change.change_id, ok: refusal === undefined, ...(refusal && { error: refusal }) };
  });
  const changed = !isDeepStrictEqual(merged, manifest);
  if (changed) merged.updated_at = now.toISOString();
  return { manifest: merged, outcomes, changed };
}

function rank({ type }: ManifestChange): number {
  return type === 'publish_model' ? 0 : 1;
}

type Refusal = { code: ErrorCode; message: string } | undefined;

function applyChange(manifest: Manifest, change: ManifestChange): Refusal {
  switch (change.type) {
    case 'publish_model':
      return publishModel(manifest, change);
    case 'set_alias':
      return reservedAlias(change.alias) ?? setAlias(manifest, change.alias, change.model_id);
    case 'remove_alias':
      return reservedAlias(change.alias) ?? removeAlias(manifest, change.alias);
    case 'model_on_worker':
      return modelOnWorker(manifest, change.model_id, change.worker);
    case 'worker_gone':
      return workerGone(manifest, change.worker);
  }
}

/**
 * Adds a model, gives it its alias, and lets `latest-<model_type>` name the newest. A publication that has been made already
 * is recognized by its change id, which is in the entry, and left alone: a late repeat must not undo later changes.
 */
function publishModel(manifest: Manifest, { change_id, model }: ManifestChange & { type: 'publish_model' }): Refusal {
  const known = manifest.models[model.id];
  const made = publicationsOf(known);
  if (made.includes(change_id)) return undefined;

  const entry = structuredClone(known === undefined ? model : mergeEntries(known, model));
  manifest.models[model.id] = { ...entry, publications: [...made, change_id] };
  if (model.alias !== null && !RESERVED_ALIASES.has(model.alias)) manifest.aliases[model.alias] = model.id;

  const latest = latestAlias(entry.model_type);
  const current = manifest.models[manifest.aliases[latest] ?? ''];
  if (current === undefined || isNewer(entry, current)) manifest.aliases[latest] = entry.id;
  return undefined;
}

/** Ids of the changes that have published a model: one, unless the same config was trained on the same data again. */
function publicationsOf(entry: ModelEntry | undefined): string[] {
  const ids = entry?.publications;
  return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
}

/** The same config and data trained twice: the newer training's entry, on the workers of both. */
function mergeEntries(known: ModelEntry, model: ModelEntry): ModelEntry {
  const workers = new Set([...known.available_on_workers, ...model.available_on_workers]);
  const entry = isNewer(model, known) ? { ...known, ...model } : known;
  return { ...entry, available_on_workers: [...workers].sort() };
}

/** Compares by time of training. If that is the same, compares by id and worker, so that the order of arrival does not matter. */
function isNewer(a: ModelEntry, b: ModelEntry): boolean {
  const byTime = Date.parse(a.trained_at) - Date.parse(b.trained_at);
  if (byTime !== 0) return byTime > 0;
  return `${a.id} ${a.trained_on_worker}` > `${b.id} ${b.trained_on_worker}`;
}

function setAlias(manifest: Manifest, alias: string, modelId: string): Refusal {
  if (manifest.models[modelId] === undefined) return noSuchModel(modelId);
  manifest.aliases[alias] = modelId;
  return undefined;
}

function removeAlias(manifest: Manifest, alias: string): Refusal {
  delete manifest.aliases[alias];
  return undefined;
}

function modelOnWorker(manifest: Manifest, modelId: string, worker: string): Refusal {
  const model = manifest.models[modelId];
  if (model === undefined) return noSuchModel(modelId);
  if (!model.available_on_workers.includes(worker)) {
    model.available_on_workers = [...model.available_on_workers, worker].sort();
  }
  return undefined;
}

function workerGone(manifest: Manifest, worker: string): Refusal {
  for (const model of Object.values(manifest.models)) {
    model.available_on_workers = model.available_on_workers.filter((name) => name !== worker);
  }
  return undefined;
}

/** Sets each entry's `alias` by the list of aliases: its own if it still has it, otherwise another of its aliases. */
function nameModels(manifest: Manifest): void {
  const given = new Map<string, string[]>();
  for (const [alias, id] of Object.entries(manifest.aliases)) {
    if (!RESERVED_ALIASES.has(alias)) given.set(id, [...(given.get(id) ?? []), alias]);
  }
  for (const model of Object.values(manifest.models)) {
    const aliases = given.get(model.id) ?? [];
    if (model.alias === null || !aliases.includes(model.alias)) model.alias = aliases.sort()[0] ?? null;
  }
}

function reservedAlias(alias: string): Refusal {
  if (!RESERVED_ALIASES.has(alias)) return undefined;
  return { code: 'NOT_ALLOWED', message: `${alias} always names the newest model of its type; choose another alias.` };
}

function noSuchModel(id: string): Refusal {
  return { code: 'MODEL_NOT_FOUND', message: `The room has no model ${id}.` };
}
