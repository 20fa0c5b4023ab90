import {
  CancelledFailure,
  condition,
  defineSignal,
  proxyLocalActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { ControlActivities } from '../../activities/contract.ts';
import { isErrorCode, SleapRtcError } from '../../protocol/errors.ts';
import type { ChangeOutcome, ManifestChange } from '../../protocol/models/manifest.ts';

/** The registry's answer to a request for changes. */
export const manifestChangesAppliedSignal = defineSignal<[ChangeOutcome[]]>('manifestChangesApplied');

/** A write takes well under a second; after this time the answer was lost, or S3 is unavailable. */
const ANSWER_TIMEOUT = '20s';
/**
 * Pause before the changes are asked for again, in milliseconds; it doubles each time. To ask again is harmless: the registry knows the
 * changes by their ids.
 */
const FIRST_PAUSE_MS = 10_000;
/** S3 may be unavailable for days: then the history grows by some ten events each time. */
const LONGEST_PAUSE_MS = 5 * 60_000;

interface WaitOptions {
  /** Called with the reason whenever the changes could not be made yet. */
  onWaiting?: (reason: SleapRtcError) => void;
  /** True if the changes are not wanted any more. A request that was sent is not taken back: they may be made all the same. */
  isGivenUp?: () => boolean;
}

/**
 * Has the room's registry make changes to its manifest, and returns when all are made. If S3 or the registry is unavailable, this waits
 * for as long as that lasts.
 * @throws SleapRtcError with the code of the first change that was refused for good; CancelledFailure if the wait was given up
 */
export async function publishToRoom(
  roomId: string,
  changes: ManifestChange[],
  { onWaiting = () => {}, isGivenUp = () => false }: WaitOptions = {},
): Promise<void> {
  const outcomes = new Map<string, ChangeOutcome>();
  setHandler(manifestChangesAppliedSignal, (applied) => {
    for (const outcome of applied) outcomes.set(outcome.change_id, outcome);
  });

  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    const missing = changes.filter(({ change_id }) => outcomes.get(change_id)?.ok !== true);
    for (const { change_id } of missing) outcomes.delete(change_id);
    await requestChanges(roomId, missing, { workflow_id: workflowInfo().workflowId });
    await condition(() => missing.every(({ change_id }) => outcomes.has(change_id)), ANSWER_TIMEOUT);

    const refused = missing.map(({ change_id }) => outcomes.get(change_id)).find((outcome) => outcome?.ok !== true);
    if (missing.every(({ change_id }) => outcomes.get(change_id)?.ok === true)) return;
    const error = refusal(refused);
    if (!error.retryable) throw error;
    onWaiting(error);
    if (await condition(isGivenUp, pauseMs)) throw new CancelledFailure('The changes are not wanted any more.');
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
