import { randomBytes } from 'node:crypto';
import { ROOM_KEY_BYTES } from '../../../protocol/room-key.ts';
import { BaseCommand } from '../../base-command.ts';
import { rememberRoom } from '../../lib/settings/config-file.ts';
import { formatInvite, pageLink } from '../../lib/settings/invite.ts';

/** `sleap-rtc rooms rotate` */
export default class RoomsRotate extends BaseCommand<typeof RoomsRotate> {
  static override summary = 'Give the room a new token and a new key, and print its new invite.';
  static override description =
    'Every earlier invite, also a viewer’s, opens the room no more, and everyone who is connected is disconnected. Send the new invite to the members, and start the workers with its token and key. Jobs and models stay. Only on the machine that made the room.';

  async run(): Promise<object> {
    const { api, connection, owned } = await this.ownerApi();
    const { token, viewer_token } = await api.rotate();
    // The server must not know the key.
    const key = randomBytes(ROOM_KEY_BYTES).toString('base64url');
    const rotated = { ...connection, token, key };
    await rememberRoom(this.folder, rotated, { ...owned, viewer: viewer_token });
    const [invite, page] = [formatInvite(rotated), pageLink(rotated)];
    this.log(`Room ${connection.room} has a new token and a new key; the earlier invites open it no more.`);
    this.log(`Send the members this link, for which \`sleap-rtc rooms join\` asks them:\n  ${invite}`);
    return { room_id: connection.room, token, key, invite, page };
  }
}
