import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Context } from '@temporalio/activity';
import { type InputFile, refuseOutsideReferences } from '../../labels/index.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import { waitForStorage } from '../../storage/index.ts';
import type { InferenceInput } from '../contract.ts';
import { jobFolders } from '../runs/job-folders.ts';
import type { ModelDeps } from './deps.ts';
import type { ModelCache } from './model-cache.ts';

/**
 * Gives the job the models of this worker's cache, and downloads those from S3 that are not in it. If S3 is unavailable, this waits for it.
 * Models with labels that refer to other files are refused.
 * @returns those that were not in the cache
 * @throws SleapRtcError MODEL_NOT_FOUND, REFERS_OUTSIDE, LABELS_CORRUPT; INTEGRITY (retryable); NOT_ALLOWED, STORAGE_REFUSED if S3
 *   refuses
 */
export function createEnsureModels(deps: ModelDeps, cache: ModelCache) {
  return async function ensureModels({ input }: InferenceInput): Promise<{ fetched: string[] }> {
    const { job_id, models } = input.spec;
    const { usedModels } = jobFolders(deps.workDir, job_id);
    const fetched: string[] = [];
    const signal = Context.current().cancellationSignal;
    const report = (detail: string) => deps.publishProgress({ job_id, phase: 'receiving', detail });
    const onWaiting = () => report('waiting for the room’s storage (S3), which is unavailable, to fetch the models');
    for (const id of models) {
      const onDownload = async () => {
        const model = await deps.findModel(id, signal);
        if (model === undefined) throw new SleapRtcError('MODEL_NOT_FOUND', `The room has no model ${id}.`);
        report(`fetching model ${id}`);
      };
      const place = () => cache.place(id, input.context.room_id, join(usedModels, id), { signal, onDownload });
      if (!(await waitForStorage(place, { signal, onWaiting }))) continue;
      fetched.push(id);
      deps.logger.info({ event: 'model_fetched', model: id, room: input.context.room_id, job: job_id });
    }
    const files = await Promise.all(models.map((id) => filesOf(id, join(usedModels, id))));
    await refuseOutsideReferences(files.flat(), signal);
    return { fetched };
  };
}

async function filesOf(id: string, folder: string): Promise<InputFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, name: `${relative(folder, path)} of model ${id}` }));
}
