import { Flags } from '@oclif/core';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { BaseCommand } from '../../base-command.ts';
import { ask } from '../../lib/output/terminal.ts';
import { count } from '../../lib/output/words.ts';
import { forgetRoom } from '../../lib/settings/config-file.ts';

/** `sleap-rtc rooms delete [--yes]` */
export default class RoomsDelete extends BaseCommand<typeof RoomsDelete> {
  static override summary = 'Delete the room with its models, and cancel its jobs. This cannot be undone.';
  static override description =
    'Asks for the room’s name first, unless --yes is given. The name cannot be used again. Only on the machine that made the room.';
  static override flags = {
    yes: Flags.boolean({ description: 'delete without asking' }),
  };

  async run(): Promise<object> {
    const { api, connection } = await this.ownerApi();
    if (!this.flags.yes) await this.#confirm(connection.room);
    const deleted = await api.delete();
    await forgetRoom(this.folder, connection);
    this.log(`Room ${deleted.room_id} is deleted with its models; ${count(deleted.jobs_cancelled, 'job')} cancelled.`);
    return deleted;
  }

  async #confirm(room: string): Promise<void> {
    if (this.jsonEnabled() || !process.stdin.isTTY) {
      throw new SleapRtcError('USAGE', `The room ${room} is only deleted if you confirm it.`, {
        remedy: 'Run the command in a terminal, or with --yes.',
      });
    }
    const message = `Type “${room}” to delete the room with all of its models:`;
    const answer = await ask(({ input }) => input({ message }));
    if (answer.trim() !== room) throw new SleapRtcError('USAGE', 'Nothing was deleted.');
  }
}
