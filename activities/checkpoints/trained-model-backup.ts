import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SleapRtcError } from '../../protocol/errors.ts';
import { fetchFile } from '../../storage/fetch-file.ts';
import { inParallel } from '../../storage/in-parallel.ts';
import { putFile } from '../../storage/put-file.ts';
import type { TrainedModel } from '../runs/trained-model.ts';
import { type Checkpoints, fileKey } from './checkpoints.ts';
import { type LatestPlace, updateLatest } from './latest.ts';

/** A model is one large file and a dozen small ones. */
const FILES_AT_ONCE = 4;

interface ModelBackupPlace extends LatestPlace {
  /** The model's folder on this worker. */
  folder: string;
}

/**
 * Stores a run's finished model among its checkpoints, where the last one's best weights lie already: what sleap-nn found when it
 * looked at its result is not made twice, and another worker publishes the very same files. `latest.json` names them when they are there.
 * @throws SleapRtcError WORKER_LOST where a later attempt has the run
 */
export async function backUpModel({ folder, ...latest }: ModelBackupPlace, trained: TrainedModel): Promise<void> {
  const { s3, place, signal } = latest;
  await inParallel(trained.files, { limit: FILES_AT_ONCE, signal }, async (entry, signal) => {
    const object = { bucket: place.bucket, key: fileKey(place, entry.sha256) };
    await putFile(s3, { ...object, from: join(folder, entry.path), entry, ifAbsent: true, signal });
  });
  await updateLatest(latest, ({ snapshots }) => ({ snapshots, trained }));
}

/** Brings such a model to this worker. Undefined where there is none, or not all of it: then the checkpoints are what is left. */
export async function restoreModel(
  { s3, place, folder, signal }: Omit<ModelBackupPlace, 'term'>,
  { trained }: Checkpoints,
): Promise<TrainedModel | undefined> {
  if (trained === undefined) return undefined;
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  for (const entry of trained.files) {
    const object = { bucket: place.bucket, key: fileKey(place, entry.sha256) };
    const options = { ...object, to: join(partial, entry.path), entry, signal };
    if (!(await fetchFile(s3, options).catch(falseIfDamaged))) return undefined;
  }
  await rm(folder, { recursive: true, force: true });
  await rename(partial, folder);
  return trained;
}

function falseIfDamaged(error: unknown): false {
  if (error instanceof SleapRtcError && error.code === 'INTEGRITY') return false;
  throw error;
}
