import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { RoomApi } from '../../lib/api/api-client.ts';
import { SignIn } from '../../lib/api/sign-in.ts';
import { count } from '../../lib/output/words.ts';
import { askInvite } from '../../lib/settings/ask-invite.ts';
import { readConfigFile, rememberRoom, roomAt } from '../../lib/settings/config-file.ts';
import { parseInvite } from '../../lib/settings/invite.ts';

/** `sleap-rtc rooms join [INVITE]` */
export default class RoomsJoin extends BaseCommand<typeof RoomsJoin> {
  static override summary = 'Join a room with its invite. It becomes the current room of this machine.';
  static override description =
    'The invite contains the room’s token and key. Other users of this machine can see the arguments of a command, so leave it out: ' +
    'the command asks for it, or reads it from stdin.';
  static override examples = ['<%= config.bin %> rooms join', '<%= config.bin %> rooms join < invite.txt'];
  static override args = {
    invite: Args.string({
      ignoreStdin: true,
      description:
        'the link that `rooms create` or `rooms invite` printed; better given when the command asks, or on stdin',
    }),
  };
  static override baseFlags = {};

  async run(): Promise<object> {
    if (this.args.invite !== undefined) {
      process.stderr.write(
        'Note: others on this machine can see the arguments of a command; `rooms join` without the invite asks for it.\n',
      );
    }
    const invite = parseInvite(this.args.invite ?? (await askInvite()));
    const room = await new RoomApi(invite, new SignIn(invite.server, this.folder)).room();
    await rememberRoom(this.folder, invite);
    this.log(`Joined ${room.room_id} on ${invite.server}: it has ${count(room.workers, 'worker')}.`);
    if (room.role === 'viewer')
      this.log('You can see its models and jobs, but change nothing: the invite is a viewer’s.');
    else if ((await readConfigFile(this.folder)).keys[roomAt(invite.server, invite.room)] === undefined) {
      this.log('The invite has no key: you can see the room, but you cannot run jobs in it.');
    }
    return { ...room, server: invite.server };
  }
}
