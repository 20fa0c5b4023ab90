import { mkdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import { SleapRtcError } from '../../protocol/errors.ts';
import { fetchFile } from '../../storage/fetch-file.ts';
import { type Attempt, adoptAttempt } from '../runs/attempts.ts';
import { type Checkpoints, fileKey, type RunPlace, type Snapshot } from './checkpoints.ts';

export interface RestoreCheckpointsOptions {
  s3: S3Client;
  place: RunPlace;
  /** What lies in S3. */
  kept: Checkpoints;
  /** The run's work folder on this worker, and its name. */
  work: string;
  run: string;
  /** What this worker has of the run already. */
  local: readonly Attempt[];
  logger: Logger;
  signal: AbortSignal;
}

/**
 * Brings the attempts of another worker from S3 into the work folder, as if they had been made here: the newest checkpoint that is
 * whole. Attempts of this worker's own are left alone where they are the newest.
 * @returns whether anything was brought
 */
export async function restoreCheckpoints(options: RestoreCheckpointsOptions): Promise<boolean> {
  const { kept, work, local, logger } = options;
  const newest = kept.snapshots[0]?.attempts.at(-1)?.record;
  if (newest === undefined) return false;
  const here = local.at(-1);
  if (here !== undefined && newest.term <= here.term) return false;
  for (const snapshot of kept.snapshots) {
    // Of an earlier time on this worker, or half brought.
    await rm(work, { recursive: true, force: true });
    try {
      await bring(snapshot, options);
      logger.info({ event: 'checkpoint_restored', epochs: snapshot.epochs_done });
      return true;
    } catch (error) {
      if (!(error instanceof SleapRtcError) || error.code !== 'INTEGRITY') throw error;
      logger.warn(
        { epochs: snapshot.epochs_done, err: error },
        'a checkpoint in S3 is not whole; the one before is taken',
      );
    }
  }
  return false;
}

async function bring(
  { attempts }: Snapshot,
  { s3, place, work, run, signal }: RestoreCheckpointsOptions,
): Promise<void> {
  for (const { record, saved_at, files } of attempts) {
    const folder = join(work, `attempt-${record.number}`);
    const runFolder = join(folder, run);
    await mkdir(runFolder, { recursive: true });
    for (const entry of files) {
      const to = join(runFolder, entry.path);
      const key = fileKey(place, entry.sha256);
      if (!(await fetchFile(s3, { bucket: place.bucket, key, to, entry, signal }))) {
        throw new SleapRtcError('INTEGRITY', `${entry.path} of attempt ${record.number} is not in S3.`);
      }
      // The time that an attempt took is read from its files.
      await utimes(to, new Date(saved_at), new Date(saved_at));
    }
    await adoptAttempt(folder, record);
  }
}
