import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { findModel } from '../../lib/inputs/find-model.ts';
import { aliasesOf } from '../../lib/output/model-words.ts';
import { fields } from '../../lib/output/table.ts';
import { bytes, duration, loss, when } from '../../lib/output/words.ts';

/** `sleap-rtc models show REF` */
export default class ModelsShow extends BaseCommand<typeof ModelsShow> {
  static override summary = 'Show one model of the room.';
  static override args = {
    model: Args.string({ required: true, description: 'id of a model, its beginning, or an alias' }),
  };

  async run(): Promise<object> {
    const manifest = await (await this.roomApi()).manifest();
    const model = findModel(manifest, this.args.model);
    const aliases = aliasesOf(manifest, model);
    this.log(
      fields([
        ['Model', model.id],
        ['Type', model.model_type],
        ['Aliases', aliases.join(', ')],
        ['Trained', `${when(model.trained_at)} by ${model.trained_by} on ${model.trained_on_worker}`],
        ['Epochs', `${model.training.epochs}${model.training.stopped_early ? ' (stopped early)' : ''}`],
        ['Loss', model.training.final_loss === null ? undefined : loss(model.training.final_loss)],
        ['Took', duration(model.training.training_duration_sec)],
        ['Data', model.training.dataset_hash],
        ['Size', bytes(model.size_bytes)],
        ['Files', model.s3_path],
        ['On workers', model.available_on_workers.join(', ')],
        ['Tags', model.tags.join(', ')],
        ['Notes', model.notes],
      ]),
    );
    return { model, aliases };
  }
}
