import { BaseCommand, connectionFlags } from '../../base-command.ts';
import { formatInvite } from '../../lib/settings/invite.ts';
import { needRoom } from '../../lib/settings/settings.ts';

/** `sleap-rtc rooms invite` */
export default class RoomsInvite extends BaseCommand {
  static override summary = 'Print the invite of the current room. It holds the token.';
  static override flags = { ...connectionFlags };

  async run(): Promise<object> {
    const { flags } = await this.parse(RoomsInvite);
    const connection = needRoom(await this.settings(flags));
    const invite = formatInvite(connection);
    this.log(invite);
    return { room_id: connection.room, invite };
  }
}
