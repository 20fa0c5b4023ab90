import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobModel } from '../../../protocol/job.ts';
import type { TransferProgress } from '../../../protocol/peer-messages.ts';
import type { RoomApi } from '../api/api-client.ts';
import { downloadModel } from './download-model.ts';
import { placeFolder } from './place-folder.ts';

/** A model on the researcher's disk. */
export interface CollectedModel {
  id: string;
  model_type: string;
  aliases: string[];
  path: string;
}

/** Where a job's results are received, out of sight, until they are whole. */
export function partialFolder(output: string, jobId: string): string {
  return join(output, `.sleap-rtc-${jobId}.partial`);
}

/**
 * Brings a finished training's models to their place below `output`: what came over WebRTC, the rest from S3.
 * @param received whether the results in the partial folder are whole
 */
export async function collectModels(options: {
  api: RoomApi;
  jobId: string;
  models: readonly JobModel[];
  output: string;
  received: boolean;
  onDownload: () => void;
  onProgress: (progress: TransferProgress) => void;
  signal: AbortSignal;
}): Promise<CollectedModel[]> {
  const { api, jobId, models, output, received, signal, onProgress } = options;
  const partial = partialFolder(output, jobId);
  const collected: CollectedModel[] = [];
  await mkdir(partial, { recursive: true });
  try {
    for (const model of models) {
      let finished = join(partial, model.run);
      if (!received || !(await isFolder(finished))) {
        options.onDownload();
        // Apart from what WebRTC left half-made.
        finished = join(partial, `.s3-${model.id}`);
        await downloadModel(api, model.id, finished, { signal, onProgress });
      }
      const path = await placeFolder(finished, output, model.run);
      collected.push({ id: model.id, model_type: model.model_type, aliases: model.aliases, path });
    }
    return collected;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
