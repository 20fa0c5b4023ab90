import type { PeerFilters } from '../../../protocol/filters.ts';
import type { JobRequirements } from '../../../protocol/job.ts';

/** The workers that a job may run on. */
export function filtersOf({ tags, min_gpu_memory_mb: memory }: JobRequirements): PeerFilters {
  return {
    role: 'worker',
    ...(tags === undefined || tags.length === 0 ? {} : { tags }),
    ...(memory === undefined ? {} : { properties: { gpu_memory_mb: { $gte: memory } } }),
  };
}
