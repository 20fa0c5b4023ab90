import type { Client } from '@temporalio/client';
import { CONTROL_QUEUE, roomRegistryWorkflowId } from '../../protocol/temporal/queues.ts';
import type { RequestManifestChangesInput } from '../contract.ts';

/** Hands changes to the room's registry workflow, starting it if it is not running. The answer comes as a signal. */
export function createRequestManifestChanges({ temporal }: { temporal: Client }) {
  return async function requestManifestChanges({
    room_id,
    changes,
    reply_to,
  }: RequestManifestChangesInput): Promise<void> {
    await temporal.workflow.signalWithStart('roomRegistry', {
      workflowId: roomRegistryWorkflowId(room_id),
      taskQueue: CONTROL_QUEUE,
      args: [{ room_id }],
      signal: 'requestManifestChanges',
      signalArgs: [{ changes, ...(reply_to && { reply_to }) }],
      staticSummary: `the registry of ${room_id}`,
    });
  };
}
