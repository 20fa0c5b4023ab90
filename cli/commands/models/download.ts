import { rm } from 'node:fs/promises';
import { Args, Flags } from '@oclif/core';
import { totalBytes } from '../../../protocol/files.ts';
import type { TransferProgress } from '../../../protocol/jobs/job-view.ts';
import { BaseCommand } from '../../base-command.ts';
import { retryOptions, retryWhileUnavailable } from '../../lib/api/retry-while-unavailable.ts';
import { findModel } from '../../lib/inputs/find-model.ts';
import { createDisplay } from '../../lib/output/display.ts';
import { JobProgress } from '../../lib/output/job-progress.ts';
import { bytes, count } from '../../lib/output/words.ts';
import { partialFolder, takeOverLeftovers } from '../../lib/results/partial-folder.ts';
import { checkOutputFolder, placeFolder } from '../../lib/results/place-folder.ts';

/** `sleap-rtc models download REF` */
export default class ModelsDownload extends BaseCommand<typeof ModelsDownload> {
  static override summary = "Download a model's folder from the room's storage.";
  static override description =
    'Every file is checked against its SHA-256. An interrupted download continues where it stopped.';
  static override args = {
    model: Args.string({ required: true, description: 'id of a model, its beginning, or an alias' }),
  };
  static override flags = {
    output: Flags.string({
      char: 'o',
      default: 'models',
      helpValue: 'FOLDER',
      description: 'folder for the model folder',
    }),
  };

  async run(): Promise<object> {
    const api = await this.roomApi();
    const { downloadModel } = await import('../../lib/results/download-files.ts');
    await checkOutputFolder(this.flags.output);
    const model = findModel(await api.manifest(), this.args.model);
    const partial = partialFolder(this.flags.output, model.id);
    await takeOverLeftovers(this.flags.output, model.id);
    const display = createDisplay();
    const progress = new JobProgress(display);
    const { signal } = new AbortController();
    const onProgress = (transfer: TransferProgress): void => progress.transfer(transfer);
    const fetch = () => downloadModel(api, model.id, partial, { signal, onProgress });
    const files = await retryWhileUnavailable(fetch, retryOptions(progress, signal)).finally(() => display.close());
    const path = await placeFolder(partial, this.flags.output, `${model.model_type}-${model.id}`);
    await rm(partial, { recursive: true, force: true });
    this.log(
      `Model ${model.id} (${model.model_type}): ${count(files.length, 'file')}, ${bytes(totalBytes(files))}, in ${path}`,
    );
    return { model: model.id, path, files };
  }
}
