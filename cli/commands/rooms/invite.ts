import { Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { formatInvite, pageLink } from '../../lib/settings/invite.ts';
import { needRoom } from '../../lib/settings/settings.ts';

/** `sleap-rtc rooms invite [--viewer]` */
export default class RoomsInvite extends BaseCommand<typeof RoomsInvite> {
  static override summary = 'Print the invite of the current room. It contains the token and the key.';

  static override description =
    'With --viewer, the invite is for people who only look: they see models and jobs, and can neither run nor change anything.';
  static override examples = ['<%= config.bin %> rooms invite', '<%= config.bin %> rooms invite --viewer'];
  static override flags = {
    viewer: Flags.boolean({
      description: 'an invite that only shows models and jobs (on the machine that made the room)',
    }),
  };

  async run(): Promise<object> {
    if (this.flags.viewer) return this.#viewerInvite();
    const connection = needRoom(await this.settings());
    const invite = formatInvite(connection);
    const page = pageLink(connection);
    this.log(invite);
    // On stderr, so that only the invite is piped.
    this.logToStderr(`Open the room in a browser with this link, which does not contain the key: ${page}`);
    return { room_id: connection.room, invite, page };
  }

  /** Without the key, since a viewer moves no data. */
  async #viewerInvite(): Promise<object> {
    const { connection, owned } = await this.ownerApi();
    const invite = pageLink({ ...connection, token: owned.viewer });
    this.log(invite);
    return { room_id: connection.room, invite, page: invite };
  }
}
