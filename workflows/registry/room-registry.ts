import {
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  getExternalWorkflowHandle,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { ControlActivities } from '../../activities/contract.ts';
import type { ChangeOutcome, ManifestChange } from '../../protocol/models/manifest.ts';
import { fromFailure } from '../../protocol/temporal/failures.ts';
import { HEARTBEAT_TIMEOUT } from '../session/activity-options.ts';
import { manifestChangesAppliedSignal } from './publish.ts';

/** Changes that a workflow wants made, and which workflow gets the outcomes. */
export interface ManifestChangesRequest {
  changes: ManifestChange[];
  reply_to?: { workflow_id: string };
}

/** What the registry of a room starts with; the optional parts pass from one run of the workflow to the next. */
export interface RoomRegistryState {
  room_id: string;
  /** Requests that wait, oldest first. */
  pending?: ManifestChangesRequest[];
  /** Ids of the changes made last, oldest first. */
  applied?: string[];
}

export interface RoomRegistryReport {
  room_id: string;
  pending: number;
  /** Writes made by this run of the workflow, and changes in them. */
  writes: number;
  changes: number;
}

export const requestManifestChangesSignal = defineSignal<[ManifestChangesRequest]>('requestManifestChanges');
export const registryQuery = defineQuery<RoomRegistryReport>('registry');

/** Most changes in one write: with about a kilobyte each, well below Temporal's 2 MB for an argument. */
const MAX_CHANGES = 500;
/** Changes remembered, so that a repeated request is answered without a write; about 40 bytes each. */
const REMEMBERED = 2_000;

const { applyManifestChanges } = proxyActivities<ControlActivities>({
  summary: 'write the manifest',
  startToCloseTimeout: '60s',
  // Without it, a control worker that died would block the room for a minute.
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  // S3 may be unavailable for a while; then the requesters get an error and ask again.
  scheduleToCloseTimeout: '5m',
  retry: { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '10s' },
});

/**
 * The one workflow through which a room's manifest is changed: one write at a time, and all changes that arrive while a
 * write is under way go out together in the next (group commit). It runs as long as the room is; a change that cannot be
 * made fails its requester, never the registry.
 */
export async function roomRegistry(state: RoomRegistryState): Promise<void> {
  const pending = [...(state.pending ?? [])];
  const applied = new Set(state.applied);
  const report: RoomRegistryReport = { room_id: state.room_id, pending: 0, writes: 0, changes: 0 };
  setHandler(registryQuery, () => ({ ...report, pending: pending.length }));
  setHandler(requestManifestChangesSignal, (request) => void pending.push(request));

  for (;;) {
    await condition(() => pending.length > 0 || workflowInfo().continueAsNewSuggested);
    if (workflowInfo().continueAsNewSuggested) break;

    const batch = takeBatch(pending);
    const changes = unmade(batch, applied);
    const outcomes = changes.length === 0 ? [] : await apply(state.room_id, changes);
    for (const { change_id, ok } of outcomes) if (ok) remember(applied, change_id);

    report.writes += changes.length === 0 ? 0 : 1;
    report.changes += changes.length;
    setCurrentDetails(`${report.changes} changes in ${report.writes} writes`);
    await reply(batch, outcomes);
  }

  await condition(allHandlersFinished);
  await continueAsNew<typeof roomRegistry>({ room_id: state.room_id, pending, applied: [...applied] });
}

/** Takes the oldest requests, as many as fit in one write, and at least one. */
function takeBatch(pending: ManifestChangesRequest[]): ManifestChangesRequest[] {
  let size = 0;
  const fits = pending.findIndex((request, index) => {
    size += request.changes.length;
    return index > 0 && size > MAX_CHANGES;
  });
  return pending.splice(0, fits === -1 ? pending.length : fits);
}

/** The changes of a batch that are still to be made, each once. */
function unmade(batch: ManifestChangesRequest[], applied: ReadonlySet<string>): ManifestChange[] {
  const changes = new Map<string, ManifestChange>();
  for (const change of batch.flatMap((request) => request.changes)) {
    if (!applied.has(change.change_id)) changes.set(change.change_id, change);
  }
  return [...changes.values()];
}

/** Makes changes; if the write fails, every change has failed with its error. */
async function apply(room_id: string, changes: ManifestChange[]): Promise<ChangeOutcome[]> {
  try {
    return await applyManifestChanges({ room_id, changes });
  } catch (failure) {
    const { code, message } = fromFailure(failure);
    log.error('the manifest could not be written', { room_id, code, changes: changes.length });
    return changes.map(({ change_id }) => ({ change_id, ok: false, error: { code, message } }));
  }
}

/** Sends every requester the outcomes of its changes, unless it has ended meanwhile. */
async function reply(batch: ManifestChangesRequest[], outcomes: ChangeOutcome[]): Promise<void> {
  const byId = new Map(outcomes.map((outcome) => [outcome.change_id, outcome]));
  await Promise.all(
    batch.map(async ({ changes, reply_to }) => {
      if (reply_to === undefined) return;
      // A change without an outcome had been made before.
      const answer = changes.map(({ change_id }) => byId.get(change_id) ?? { change_id, ok: true });
      try {
        await getExternalWorkflowHandle(reply_to.workflow_id).signal(manifestChangesAppliedSignal, answer);
      } catch (failure) {
        log.info('a requester has ended', { workflow_id: reply_to.workflow_id, cause: fromFailure(failure).message });
      }
    }),
  );
}

function remember(applied: Set<string>, changeId: string): void {
  applied.add(changeId);
  for (const oldest of applied) {
    if (applied.size <= REMEMBERED) return;
    applied.delete(oldest);
  }
}
