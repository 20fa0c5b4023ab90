import type { JobRequirements } from '../../../protocol/jobs/job.ts';
import type { PeerFilters } from '../../../protocol/wire/filters.ts';

/** The workers that a job may run on. */
export function filtersOf({ tags, min_gpu_memory_mb: memory }: JobRequirements): PeerFilters {
  return {
    role: 'worker',
    ...(tags === undefined || tags.length === 0 ? {} : { tags }),
    ...(memory === undefined ? {} : { properties: { gpu_memory_mb: { $gte: memory } } }),
  };
}
