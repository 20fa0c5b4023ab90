import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { RoomApi } from '../../lib/api/api-client.ts';
import { SignIn } from '../../lib/api/sign-in.ts';
import { count } from '../../lib/output/words.ts';
import { readConfigFile, rememberRoom, roomAt } from '../../lib/settings/config-file.ts';
import { parseInvite } from '../../lib/settings/invite.ts';

/** `sleap-rtc rooms join INVITE` */
export default class RoomsJoin extends BaseCommand<typeof RoomsJoin> {
  static override summary = 'Join a room with its invite. It becomes the current room of this machine.';
  static override examples = [
    "<%= config.bin %> rooms join 'https://sleap-rtc.example.org/#room=lab-mice&token=…&key=…'",
  ];
  static override args = {
    invite: Args.string({ required: true, description: 'the link that `rooms create` or `rooms invite` printed' }),
  };
  static override baseFlags = {};

  async run(): Promise<object> {
    const invite = parseInvite(this.args.invite);
    const room = await new RoomApi(invite, new SignIn(invite.server, this.folder)).room();
    await rememberRoom(this.folder, invite);
    this.log(`Joined ${room.room_id} on ${invite.server}: it has ${count(room.workers, 'worker')}.`);
    if ((await readConfigFile(this.folder)).keys[roomAt(invite.server, invite.room)] === undefined) {
      this.log('The invite has no key: you can see the room, but you cannot run jobs in it.');
    }
    return { ...room, server: invite.server };
  }
}
