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
  static override summary = 'Create a room, and print its invite.';
  static override description =
    'The room becomes the current room of this machine. The invite contains the room’s token and key: everyone who has it can enter the room.';
  static override examples = ['<%= config.bin %> rooms create lab-mice-2025 --server https://sleap-rtc.example.org'];
  static override args = { name: Args.string({ description: '3 to 63 lower-case letters, digits or hyphens' }) };

  async run(): Promise<object> {
    if (this.args.name !== undefined && !RoomId.safeParse(this.args.name).success) {
      throw new SleapRtcError('USAGE', `“${this.args.name}” is not a valid name for a room.`, {
        remedy: 'A room’s name has 3 to 63 lower-case letters, digits or hyphens.',
      });
    }
    const { server, signIn } = await this.serverAndIdentity();
    const room = await createRoom(server, signIn, this.args.name);
    // The server must not know the key.
    const key = randomBytes(ROOM_KEY_BYTES).toString('base64url');
    const connection = { server, room: room.room_id, token: room.token, key };
    const { owner_token: owner, viewer_token: viewer } = room;
    await rememberRoom(this.folder, connection, { owner, viewer });
    const invite = formatInvite(connection);
    this.log(`Room ${room.room_id} is open until ${when(room.expires_at)}, or longer if it is used.`);
    const page = pageLink(connection);
    this.log(`Invite others with this link, for which \`sleap-rtc rooms join\` asks them:\n  ${invite}`);
    this.log(`Open the room in a browser with this link, which does not contain the key:\n  ${page}`);
    return { ...room, key, server, invite, page };
  }
}
