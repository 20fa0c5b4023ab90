import { BaseCommand } from '../../base-command.ts';
import { formatInvite, pageLink } from '../../lib/settings/invite.ts';
import { needRoom } from '../../lib/settings/settings.ts';

/** `sleap-rtc rooms invite` */
export default class RoomsInvite extends BaseCommand<typeof RoomsInvite> {
  static override summary = 'Print the invite of the current room. It holds the token and the key.';

  async run(): Promise<object> {
    const connection = needRoom(await this.settings());
    const invite = formatInvite(connection);
    const page = pageLink(connection);
    this.log(invite);
    // Not on stdout, so that the invite can be piped.
    this.logToStderr(`See the room in a browser, where its key is not needed: ${page}`);
    return { room_id: connection.room, invite, page };
  }
}
