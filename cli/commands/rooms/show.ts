import { BaseCommand } from '../../base-command.ts';
import { fields } from '../../lib/output/table.ts';
import { when } from '../../lib/output/words.ts';

/** `sleap-rtc rooms show` */
export default class RoomsShow extends BaseCommand<typeof RoomsShow> {
  static override summary = 'Show the current room: how long it is open, and how many workers and peers are connected.';

  async run(): Promise<object> {
    const api = await this.roomApi();
    const room = await api.room();
    this.log(
      fields([
        ['Room', room.room_id],
        ['Server', api.connection.server],
        ['You are', room.role],
        ['Created', when(room.created_at)],
        ['Open until', when(room.expires_at)],
        ['Workers', room.workers],
        ['Peers', room.peers],
      ]),
    );
    return { ...room, server: api.connection.server };
  }
}
