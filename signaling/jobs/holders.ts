import type { JobSpec } from '../../protocol/job.ts';
import { unmetRequirement } from '../../protocol/session-queues.ts';
import type { PeerInfo } from '../../protocol/signaling.ts';

/** A free worker that fits a job and has every model that it needs at hand; undefined where there is none. */
export function holderOf(spec: JobSpec, peers: readonly PeerInfo[]): string | undefined {
  if (spec.kind !== 'inference') return undefined;
  const holder = peers.find(({ peer_id, role, metadata: { tags, properties } }) => {
    const { gpu_memory_mb: memory, status, models } = properties;
    if (role !== 'worker' || status !== 'available' || !Array.isArray(models)) return false;
    const offer = { name: peer_id, gpuMemoryMb: typeof memory === 'number' ? memory : 0, tags };
    return unmetRequirement(spec.requirements, offer) === undefined && spec.models.every((id) => models.includes(id));
  });
  return holder?.peer_id;
}
