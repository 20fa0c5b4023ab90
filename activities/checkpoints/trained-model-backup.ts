import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { Checkpoints, TrainedModel } from '../../protocol/stored/stored-objects.ts';
import { fetchFile, inParallel, putFile } from '../../storage/index.ts';
import { type CheckpointWriter, fileKey, type RunPlace, updateLatest } from './latest.ts';

/** A model is one large file and a dozen small ones. */
const FILES_AT_ONCE = 4;

/**
 * Uploads a run's finished model among its checkpoints, which already have its best weights: what sleap-nn found when it evaluated
 * the model is not computed twice, and another worker publishes the very same files. `latest.json` names them when they are there.
 * @param writer.folder the model's folder on this worker
 * @throws SleapRtcError WORKER_LOST if a later attempt has the run
 */
export async function backUpModel(writer: CheckpointWriter & { folder: string }, trained: TrainedModel): Promise<void> {
  const { place, folder, signal } = writer;
  await inParallel(trained.files, { limit: FILES_AT_ONCE, signal }, async (entry, signal) => {
    const key = fileKey(place, entry.sha256);
    await putFile(place.bucket, { key, from: join(folder, entry.path), entry, ifAbsent: true, signal });
  });
  await updateLatest(writer, ({ snapshots }) => ({ snapshots, trained }));
}

/** Downloads such a model into `folder`. Returns undefined if there is none, or not all of it: then the checkpoints are what is left. */
export async function restoreModel(
  { place, folder, signal }: { place: RunPlace; folder: string; signal: AbortSignal },
  { trained }: Checkpoints,
): Promise<TrainedModel | undefined> {
  if (trained === undefined) return undefined;
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  for (const entry of trained.files) {
    const options = { key: fileKey(place, entry.sha256), to: join(partial, entry.path), entry, signal };
    if (!(await fetchFile(place.bucket, options).catch(falseIfDamaged))) return undefined;
  }
  await rm(folder, { recursive: true, force: true });
  await rename(partial, folder);
  return trained;
}

function falseIfDamaged(error: unknown): false {
  if (error instanceof SleapRtcError && error.code === 'INTEGRITY') return false;
  throw error;
}
