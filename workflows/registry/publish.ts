import { condition, defineSignal, proxyLocalActivities, setHandler, sleep, workflowInfo } from '@temporalio/workflow';
import type { ControlActivities } from '../../activities/contract.ts';
import { isErrorCode, SleapRtcError } from '../../protocol/errors.ts';
import type { ChangeOutcome, ManifestChange } from '../../protocol/models/manifest.ts';

/** The registry's answer to a request for changes. */
export const manifestChangesAppliedSignal = defineSignal<[ChangeOutcome[]]>('manifestChangesApplied');

/** A write takes well under a second; after this time the answer was lost, or S3 is unavailable. */
const ANSWER_TIMEOUT = '20s';
/** Asking again is harmless: the registry knows the changes by their ids. S3 may be unavailable for some minutes. */
const MAX_ASKS = 40;
const PAUSE_AFTER_REFUSAL = '15s';

/**
 * Has the room's registry make changes to its manifest, and returns when all are made.
 * @throws SleapRtcError with the code of the first change that was refused; SERVER_ERROR if the registry never answers
 */
export async function publishToRoom(roomId: string, changes: ManifestChange[]): Promise<void> {
  const outcomes = new Map<string, ChangeOutcome>();
  setHandler(manifestChangesAppliedSignal, (applied) => {
    for (const outcome of applied) outcomes.set(outcome.change_id, outcome);
  });

  for (let asks = 1; ; asks += 1) {
    const missing = changes.filter(({ change_id }) => outcomes.get(change_id)?.ok !== true);
    for (const { change_id } of missing) outcomes.delete(change_id);
    await requestChanges(roomId, missing, { workflow_id: workflowInfo().workflowId });
    await condition(() => missing.every(({ change_id }) => outcomes.has(change_id)), ANSWER_TIMEOUT);

    const refused = missing.map(({ change_id }) => outcomes.get(change_id)).find((outcome) => outcome?.ok !== true);
    if (missing.every(({ change_id }) => outcomes.get(change_id)?.ok === true)) return;
    const error = refusal(refused);
    if (!error.retryable || asks === MAX_ASKS) throw error;
    if (refused !== undefined) await sleep(PAUSE_AFTER_REFUSAL);
  }
}

/**
 * Sends changes to the room's registry without waiting for the outcomes.
 * @param replyTo which workflow gets the outcomes; none if left out
 */
export async function requestChanges(
  roomId: string,
  changes: ManifestChange[],
  replyTo?: { workflow_id: string },
): Promise<void> {
  // A local one: it takes milliseconds, and the history one event in place of six.
  const { requestManifestChanges } = proxyLocalActivities<ControlActivities>({
    summary: `ask the registry of ${roomId} for ${changes.length === 1 ? 'a change' : `${changes.length} changes`}`,
    startToCloseTimeout: '20s',
    retry: { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '20s', maximumAttempts: 20 },
    localRetryThreshold: '2s',
  });
  await requestManifestChanges({ room_id: roomId, changes, ...(replyTo && { reply_to: replyTo }) });
}

function refusal(outcome: ChangeOutcome | undefined): SleapRtcError {
  if (outcome?.error === undefined) return new SleapRtcError('SERVER_ERROR', 'The room’s registry did not answer.');
  const { code, message } = outcome.error;
  return new SleapRtcError(isErrorCode(code) ? code : 'INTERNAL', message);
}
