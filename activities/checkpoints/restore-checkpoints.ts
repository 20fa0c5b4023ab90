import { mkdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { Checkpoints, Snapshot } from '../../protocol/stored/stored-objects.ts';
import { fetchFile } from '../../storage/index.ts';
import { type Attempt, adoptAttempt } from '../runs/attempts.ts';
import { fileKey, type RunPlace } from './latest.ts';

export interface RestoreCheckpointsOptions {
  place: RunPlace;
  /** What S3 has. */
  checkpoints: Checkpoints;
  /** The run's work folder on this worker, and its name. */
  work: string;
  run: string;
  /** The run's attempts that this worker has already. */
  local: readonly Attempt[];
  logger: Logger;
  signal: AbortSignal;
}

/**
 * Downloads the attempts of another worker into the work folder, as if they had been made here: those of the newest checkpoint that is
 * whole. This worker's own attempts are left alone if they are the newest.
 * @returns whether anything was downloaded
 */
export async function restoreCheckpoints(options: RestoreCheckpointsOptions): Promise<boolean> {
  const { checkpoints, work, local, logger } = options;
  const newest = checkpoints.snapshots[0]?.attempts.at(-1)?.record;
  if (newest === undefined) return false;
  const here = local.at(-1);
  if (here !== undefined && newest.term <= here.term) return false;
  for (const snapshot of checkpoints.snapshots) {
    // From an earlier time on this worker, or from an interrupted download.
    await rm(work, { recursive: true, force: true });
    try {
      await restoreSnapshot(snapshot, options);
      logger.info({ event: 'checkpoint_restored', epochs: snapshot.epochs_done });
      return true;
    } catch (error) {
      if (!(error instanceof SleapRtcError) || error.code !== 'INTEGRITY') throw error;
      logger.warn(
        { epochs: snapshot.epochs_done, err: error },
        'a checkpoint in S3 is damaged; the one before is tried',
      );
    }
  }
  return false;
}

async function restoreSnapshot(
  { attempts }: Snapshot,
  { place, work, run, signal }: RestoreCheckpointsOptions,
): Promise<void> {
  for (const { record, saved_at, files } of attempts) {
    const folder = join(work, `attempt-${record.number}`);
    const runFolder = join(folder, run);
    await mkdir(runFolder, { recursive: true });
    for (const entry of files) {
      const to = join(runFolder, entry.path);
      if (!(await fetchFile(place.bucket, { key: fileKey(place, entry.sha256), to, entry, signal }))) {
        throw new SleapRtcError('INTEGRITY', `${entry.path} of attempt ${record.number} is not in S3.`);
      }
      // The duration of an attempt is read from the times of its files.
      await utimes(to, new Date(saved_at), new Date(saved_at));
    }
    await adoptAttempt(folder, record);
  }
}
