import { EVERYONE } from '../../protocol/signaling.ts';
import type { JobActivityInput } from '../contract.ts';
import type { TransferDeps } from './index.ts';

/** Tells everyone in the room that a job has published its models (the seed's `job_complete`). */
export function createAnnounceJobComplete({ signaling, worker }: TransferDeps) {
  return async function announceJobComplete({
    input,
    model_ids,
  }: JobActivityInput & { model_ids: string[] }): Promise<void> {
    await signaling.sendPeerMessage(EVERYONE, {
      type: 'job_complete',
      job_id: input.spec.job_id,
      worker,
      model_ids,
    });
  };
}
