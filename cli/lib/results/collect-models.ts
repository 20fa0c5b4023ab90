import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { TrainingRun } from '../../../protocol/jobs/job.ts';
import type { TransferProgress } from '../../../protocol/jobs/job-view.ts';
import { retryOptions, retryWhileUnavailable } from '../api/retry-while-unavailable.ts';
import type { Followed } from '../follow/follow-job.ts';
import { downloadModel } from './download-files.ts';
import type { OutcomeContext } from './outcome-context.ts';
import { arrivalFolder, partialFolder } from './partial-folder.ts';
import { placeFolder } from './place-folder.ts';
import { hasArrived } from './published-files.ts';

/** A model on the researcher's disk. */
export interface CollectedModel {
  id: string;
  model_type: string;
  aliases: string[];
  path: string;
}

/**
 * Moves a finished training's models into the output folder. Those that did not arrive over WebRTC as the registry has published
 * them are downloaded from S3.
 */
export async function collectModels(
  { status, received }: Followed,
  context: Pick<OutcomeContext, 'api' | 'output' | 'progress' | 'signal'>,
): Promise<CollectedModel[]> {
  const { api, output, progress, signal } = context;
  const partial = partialFolder(output, status.job_id);
  const collected: CollectedModel[] = [];
  await mkdir(partial, { recursive: true });
  for (const { id, model_type, aliases, run } of status.models) {
    // The name comes from the server and becomes the name of a folder.
    if (!TrainingRun.shape.name.safeParse(run).success) {
      throw new SleapRtcError('PATH_UNSAFE', `The name of the model ${id} is not safe as the name of a folder.`);
    }
    let finished = join(arrivalFolder(output, status.job_id), run);
    const published = async () => (await api.modelFiles(id)).files;
    if (!(await hasArrived(finished, published, { what: `model ${id}`, received, ...context }))) {
      progress.note('Downloading the model from the room’s storage.');
      // Another folder than that of an incomplete WebRTC transfer.
      finished = join(partial, `.s3-${id}`);
      const folder = finished;
      const onProgress = (transfer: TransferProgress): void => progress.transfer(transfer);
      await retryWhileUnavailable(
        () => downloadModel(api, id, folder, { signal, onProgress }),
        retryOptions(progress, signal),
      );
    }
    collected.push({ id, model_type, aliases, path: await placeFolder(finished, output, run) });
  }
  return collected;
}
