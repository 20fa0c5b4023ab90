import { Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import { type ChangeOutcome, emptyManifest, Manifest } from '../../protocol/models/manifest.ts';
import { s3Layout, s3Url } from '../../protocol/stored/s3-layout.ts';
import { type Bucket, DamagedObjectError, updateJson } from '../../storage/index.ts';
import type { ApplyManifestChangesInput } from '../contract.ts';
import { mergeChanges } from './merge-changes.ts';

/** The bucket of the manifests. */
export interface ManifestStore {
  bucket: Bucket;
  logger: Logger;
}

/** The activity; see `applyChanges`. */
export function createApplyManifestChanges(store: ManifestStore) {
  return function applyManifestChanges(args: ApplyManifestChangesInput): Promise<ChangeOutcome[]> {
    return applyChanges(store, args, Context.current().cancellationSignal);
  };
}

/**
 * Writes changes into a room's manifest if nobody else has written it in between; otherwise it starts over. If a write succeeded
 * although its answer was lost, the next round finds it, since merging the same changes again changes nothing.
 *
 * A damaged manifest is left alone: every outcome says so, and a person must repair it.
 * @throws SleapRtcError STORAGE_UNREACHABLE; SERVER_ERROR if others keep writing in between
 */
export async function applyChanges(
  { bucket, logger }: ManifestStore,
  { room_id, changes }: ApplyManifestChangesInput,
  signal: AbortSignal,
): Promise<ChangeOutcome[]> {
  const key = s3Layout.manifest(room_id);
  const log = logger.child({ room: room_id });
  const schema = Manifest.refine((manifest) => manifest.room_id === room_id, 'it is the manifest of another room');
  let outcomes: ChangeOutcome[] = [];
  const merge = (before: Manifest | undefined): Manifest | undefined => {
    const merged = mergeChanges(before ?? emptyManifest(room_id, new Date()), changes, new Date());
    outcomes = merged.outcomes;
    return merged.changed ? merged.manifest : undefined;
  };
  const onConflict = (round: number) => log.warn({ event: 'manifest_conflict', round });
  try {
    const { after } = await updateJson(bucket, key, schema, merge, { signal, onConflict });
    if (after !== undefined) log.info({ event: 'manifest_written', changes: changes.length });
    return outcomes;
  } catch (error) {
    if (!(error instanceof DamagedObjectError)) throw error;
    log.error({ event: 'manifest_unreadable', key });
    const message = `The manifest of ${room_id} at ${s3Url(bucket.name, key)} is damaged and was left untouched.`;
    return changes.map(({ change_id }) => ({ change_id, ok: false, error: { code: 'MANIFEST_DAMAGED', message } }));
  }
}
