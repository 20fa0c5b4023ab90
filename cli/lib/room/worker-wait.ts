import type { PeerFilters } from '../../../protocol/filters.ts';
import type { JobRequirements } from '../../../protocol/job.ts';
import type { PeerInfo } from '../../../protocol/signaling.ts';
import type { SignalingClient } from '../../../transport/index.ts';
import { count } from '../output/words.ts';

/** Why a job waits. */
export interface WaitReason {
  sentence: string;
  /** True if suitable workers are in the room but busy. */
  busy: boolean;
}

/** Says why a job waits, judging by the workers in the room. Returns undefined if a suitable worker is free. */
export async function reasonToWait(
  signaling: Pick<SignalingClient, 'discoverPeers'>,
  room: string,
  requirements: JobRequirements,
  signal: AbortSignal,
): Promise<WaitReason | undefined> {
  const workers = await signaling.discoverPeers({ role: 'worker' }, { signal });
  if (workers.length === 0) return absent(`No worker is in the room ${room}`);
  const fitting = (await signaling.discoverPeers(filtersOf(requirements), { signal })).filter(
    ({ peer_id }) => requirements.worker === undefined || requirements.worker === peer_id,
  );
  if (fitting.length === 0) {
    return absent(
      requirements.worker === undefined
        ? `None of the ${count(workers.length, 'worker')} in the room ${room} has what the job requires`
        : `The worker ${requirements.worker} is not in the room ${room}`,
    );
  }
  if (fitting.some(isFree)) return undefined;
  const [only] = fitting;
  const who = fitting.length === 1 ? `The worker ${only?.peer_id} is` : `All ${fitting.length} workers are`;
  return { sentence: `${who} busy`, busy: true };
}

function absent(sentence: string): WaitReason {
  return { sentence, busy: false };
}

/** The workers that a job may run on. */
export function filtersOf({ tags, min_gpu_memory_mb: memory }: JobRequirements): PeerFilters {
  return {
    role: 'worker',
    ...(tags === undefined || tags.length === 0 ? {} : { tags }),
    ...(memory === undefined ? {} : { properties: { gpu_memory_mb: { $gte: memory } } }),
  };
}

function isFree({ metadata }: PeerInfo): boolean {
  return metadata.properties.status === 'available';
}
