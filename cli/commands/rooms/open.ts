import { BaseCommand, connectionFlags } from '../../base-command.ts';
import { when } from '../../lib/output/words.ts';

/** `sleap-rtc rooms open` */
export default class RoomsOpen extends BaseCommand {
  static override summary = 'Open an expired room again; its models are still there.';
  static override flags = { ...connectionFlags };

  async run(): Promise<object> {
    const { flags } = await this.parse(RoomsOpen);
    const room = await (await this.roomApi(flags)).open();
    this.log(`Room ${room.room_id} is open until ${when(room.expires_at)}, longer while it is used.`);
    return room;
  }
}
