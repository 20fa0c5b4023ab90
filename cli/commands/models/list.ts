import { BaseCommand } from '../../base-command.ts';
import { aliasesOf, newestFirst } from '../../lib/output/model-words.ts';
import { table } from '../../lib/output/table.ts';
import { bytes, loss, when } from '../../lib/output/words.ts';

/** `sleap-rtc models list` */
export default class ModelsList extends BaseCommand<typeof ModelsList> {
  static override summary = "List the room's models, newest first.";

  async run(): Promise<object> {
    const api = await this.roomApi();
    const manifest = await api.manifest();
    const models = newestFirst(manifest);
    if (models.length === 0) this.log(`The room ${manifest.room_id} has no models yet.`);
    else {
      const rows = models.map((model) => [
        model.id,
        model.model_type,
        aliasesOf(manifest, model).join(', '),
        when(model.trained_at),
        model.training.epochs,
        model.training.final_loss === null ? undefined : loss(model.training.final_loss),
        bytes(model.size_bytes),
        model.tags.join(', '),
      ]);
      this.log(table(['ID', 'TYPE', 'ALIASES', 'TRAINED', 'EPOCHS', 'LOSS', 'SIZE', 'TAGS'], rows));
    }
    return manifest;
  }
}
