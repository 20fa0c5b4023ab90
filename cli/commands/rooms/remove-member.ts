import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';

/** `sleap-rtc rooms remove-member MEMBER` */
export default class RoomsRemoveMember extends BaseCommand<typeof RoomsRemoveMember> {
  static override summary = 'Remove a member: the room refuses this identity from now on.';
  static override description =
    'Its connections end at once. Whoever still has the invite can come back under a new identity; `rooms rotate` prevents that. Only on the machine that made the room.';
  static override args = {
    member: Args.string({
      required: true,
      description: 'the user’s id, or the name of a worker or peer that is connected',
    }),
  };

  async run(): Promise<object> {
    const { api } = await this.ownerApi();
    const removed = await api.removeMember(this.args.member);
    this.log(`User ${removed.user_id} is removed from ${removed.room_id}.`);
    this.log(
      'Whoever has the invite can come back under a new identity. To prevent that, run `sleap-rtc rooms rotate`.',
    );
    return removed;
  }
}
