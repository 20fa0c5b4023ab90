import type { LossCurves } from '../curves/loss-curves.ts';
import type { JobViews } from '../job-views/job-views.ts';
import type { PeerDirectory } from '../peers/directory.ts';

/** A room is empty for so long before it is freed, since all its peers may have lost their network for a moment. */
const FREE_AFTER_MS = 5 * 60_000;
const CHECK_INTERVAL_MS = 30_000;

/**
 * Frees what is in memory of rooms in which nobody is any more: views, events and curves of jobs. Nothing is lost with it: Temporal
 * knows the jobs, and S3 has the logs. Returns a function that ends it.
 */
export function startFreeingEmptyRooms(options: {
  directory: Pick<PeerDirectory, 'size'>;
  jobViews: Pick<JobViews, 'rooms' | 'free'>;
  curves: Pick<LossCurves, 'rooms' | 'free'>;
  freeAfterMs?: number | undefined;
  checkIntervalMs?: number | undefined;
}): () => void {
  const { directory, jobViews, curves, freeAfterMs = FREE_AFTER_MS } = options;
  const emptySince = new Map<string, number>();

  const timer = setInterval(() => {
    const now = performance.now();
    const rooms = new Set([...jobViews.rooms, ...curves.rooms]);
    for (const roomId of emptySince.keys()) {
      if (!rooms.has(roomId) || directory.size(roomId) > 0) emptySince.delete(roomId);
    }
    for (const roomId of rooms) {
      if (directory.size(roomId) > 0) continue;
      const since = emptySince.get(roomId) ?? now;
      emptySince.set(roomId, since);
      if (now - since < freeAfterMs) continue;
      jobViews.free(roomId);
      curves.free(roomId);
    }
  }, options.checkIntervalMs ?? CHECK_INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
