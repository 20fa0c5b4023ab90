import { BaseCommand } from '../../base-command.ts';
import { formatInvite, pageLink } from '../../lib/settings/invite.ts';
import { needRoom } from '../../lib/settings/settings.ts';

/** `sleap-rtc rooms invite` */
export default class RoomsInvite extends BaseCommand<typeof RoomsInvite> {
  static override summary = 'Print the invite of the current room. It contains the token and the key.';

  async run(): Promise<object> {
    const connection = needRoom(await this.settings());
    const invite = formatInvite(connection);
    const page = pageLink(connection);
    this.log(invite);
    // On stderr, so that only the invite is piped.
    this.logToStderr(`Open the room in a browser with this link, which does not contain the key: ${page}`);
    return { room_id: connection.room, invite, page };
  }
}
