import { heldFileName, totalBytes } from '../../protocol/files.ts';
import type { JobSpec } from '../../protocol/jobs/job.ts';
import { unmetRequirement } from '../../protocol/temporal/session-queues.ts';
import type { PeerInfo } from '../../protocol/wire/signaling.ts';

/**
 * Finds a free worker that fits a job and has some of its data or models already: the one with most of its data, because that comes
 * from the researcher's own network; else one with all of its models, which come from S3. Returns undefined if there is none.
 */
export function holderOf(spec: JobSpec, peers: readonly PeerInfo[]): string | undefined {
  const holders = peers
    .filter((peer) => isFree(peer) && fits(peer, spec))
    .map((peer) => ({ name: peer.peer_id, bytes: heldBytes(peer, spec), models: hasModels(peer, spec) }))
    .filter(({ bytes, models }) => bytes > 0 || models)
    .sort((a, b) => b.bytes - a.bytes || Number(b.models) - Number(a.models));
  return holders[0]?.name;
}

function isFree({ role, metadata: { properties } }: PeerInfo): boolean {
  return role === 'worker' && properties.status === 'available';
}

function fits({ peer_id, metadata: { tags, properties } }: PeerInfo, { requirements }: JobSpec): boolean {
  const { gpu_memory_mb: memory } = properties;
  const offer = { name: peer_id, gpuMemoryMb: typeof memory === 'number' ? memory : 0, tags };
  return unmetRequirement(requirements, offer) === undefined;
}

function heldBytes({ metadata: { properties } }: PeerInfo, { files }: JobSpec): number {
  const held = new Set(Array.isArray(properties.data) ? properties.data : []);
  return totalBytes(files.filter(({ sha256 }) => held.has(heldFileName(sha256))));
}

function hasModels({ metadata: { properties } }: PeerInfo, spec: JobSpec): boolean {
  const { models } = properties;
  return spec.kind === 'inference' && Array.isArray(models) && spec.models.every((id) => models.includes(id));
}
