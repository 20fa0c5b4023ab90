import { BaseCommand } from '../../base-command.ts';
import { when } from '../../lib/output/words.ts';

/** `sleap-rtc rooms open` */
export default class RoomsOpen extends BaseCommand<typeof RoomsOpen> {
  static override summary = 'Open an expired room again. It still has its models.';

  async run(): Promise<object> {
    const room = await (await this.roomApi()).open();
    this.log(`Room ${room.room_id} is open until ${when(room.expires_at)}, or longer if it is used.`);
    return room;
  }
}
