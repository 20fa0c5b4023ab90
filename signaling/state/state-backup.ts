import type { Logger } from 'pino';
import type { LossCurves } from '../curves/loss-curves.ts';
import type { JobViews } from '../job-views/job-views.ts';
import type { PeerDirectory } from '../peers/directory.ts';
import { RESTORE_GRACE_MS } from '../peers/limits.ts';
import { StateSaver } from './state-saver.ts';
import type { StateStore } from './state-store.ts';

/** The running backup. */
export interface StateBackup {
  /** To be called after each change. */
  changed(): void;
  /** Saves the last change and ends. */
  stop(): Promise<void>;
}

/**
 * Restores the state of the server's last run and backs it up from now on. Peers of the last run are listed as
 * reconnecting until they are back, at most for `RESTORE_GRACE_MS`, so that no job reports a missing worker only
 * because the server was restarted. Without a bucket, or while storage is unavailable, the server works from memory.
 */
export async function startStateBackup(options: {
  directory: PeerDirectory;
  jobViews: JobViews;
  curves: LossCurves;
  /** Undefined if the state is not backed up. */
  store: StateStore | undefined;
  logger: Logger;
  now: () => Date;
  graceMs?: number;
}): Promise<StateBackup> {
  const { directory, jobViews, curves, store, logger } = options;
  if (store === undefined) return { changed: () => undefined, stop: async () => undefined };
  const saver = new StateSaver({
    store,
    logger,
    snapshot: () => ({
      version: 1,
      saved_at: options.now().toISOString(),
      peers: directory.snapshot(),
      jobs: jobViews.snapshot(),
      curves: curves.snapshot(),
    }),
  });
  try {
    const state = await store.load();
    if (state !== undefined) {
      directory.restore(state.peers);
      jobViews.restore(state.jobs);
      curves.restore(state.curves);
      logger.info({ event: 'state_restored', saved_at: state.saved_at }, 'state restored');
    }
  } catch (error) {
    logger.warn({ event: 'state_restore_failed', err: error }, 'the last run’s state could not be restored');
  }
  const grace = setTimeout(() => directory.dropReconnecting(), options.graceMs ?? RESTORE_GRACE_MS);
  return {
    changed: () => saver.changed(),
    async stop() {
      clearTimeout(grace);
      await saver.stop();
    },
  };
}
