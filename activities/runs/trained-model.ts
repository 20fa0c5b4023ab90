import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { TrainedModel } from '../../protocol/stored/stored-objects.ts';
import type { RunFolders } from './job-folders.ts';

/** The model of a run that has finished on this worker. Returns undefined if there is none, or its folder is not whole any more. */
export async function readTrainedModel({ result, model }: RunFolders): Promise<TrainedModel | undefined> {
  try {
    const trained = TrainedModel.parse(JSON.parse(await readFile(result, 'utf8')));
    for (const { path, size_bytes } of trained.files) {
      if ((await stat(join(model, path))).size !== size_bytes) return undefined;
    }
    return trained;
  } catch {
    return undefined;
  }
}

/** Records that the run has finished. Its model folder must be whole. */
export async function writeTrainedModel({ work, result }: RunFolders, trained: TrainedModel): Promise<void> {
  await mkdir(work, { recursive: true });
  await writeFileAtomic(result, JSON.stringify(trained));
}
