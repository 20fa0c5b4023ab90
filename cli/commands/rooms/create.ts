import { randomBytes } from 'node:crypto';
import { Args } from '@oclif/core';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { RoomId } from '../../../protocol/ids.ts';
import { ROOM_KEY_BYTES } from '../../../protocol/room-key.ts';
import { BaseCommand } from '../../base-command.ts';
import { createRoom } from '../../lib/api/api-client.ts';
import { when } from '../../lib/output/words.ts';
import { rememberRoom } from '../../lib/settings/config-file.ts';
import { formatInvite, pageLink } from '../../lib/settings/invite.ts';

/** `sleap-rtc rooms create [NAME]` */
export default class RoomsCreate extends BaseCommand<typeof RoomsCreate> {
  static override summary = 'Make a room, and print the invite for the others in it.';
  static override description =
    'The room becomes the current one of this machine. The invite holds its token and key: who has it is in the room.';
  static override examples = ['<%= config.bin %> rooms create lab-mice-2025 --server https://sleap-rtc.example.org'];
  static override args = { name: Args.string({ description: '3 to 63 lower-case letters, digits or hyphens' }) };

  async run(): Promise<object> {
    if (this.args.name !== undefined && !RoomId.safeParse(this.args.name).success) {
      throw new SleapRtcError('USAGE', `“${this.args.name}” cannot be a room's name.`, {
        remedy: 'A room’s name has 3 to 63 lower-case letters, digits or hyphens.',
      });
    }
    const { server, signIn } = await this.serverAndIdentity();
    const room = await createRoom(server, signIn, this.args.name);
    // Made here and not by the server, which must not know it.
    const key = randomBytes(ROOM_KEY_BYTES).toString('base64url');
    const connection = { server, room: room.room_id, token: room.token, key };
    await rememberRoom(this.folder, connection);
    const invite = formatInvite(connection);
    this.log(`Room ${room.room_id} is open until ${when(room.expires_at)}, longer while it is used.`);
    const page = pageLink(connection);
    this.log(`Invite others with:\n  sleap-rtc rooms join '${invite}'`);
    this.log(`See the room in a browser, where its key is not needed:\n  ${page}`);
    return { ...room, key, server, invite, page };
  }
}
