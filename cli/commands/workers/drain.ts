import { randomUUID } from 'node:crypto';
import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';

/** `sleap-rtc workers drain NAME` */
export default class WorkersDrain extends BaseCommand<typeof WorkersDrain> {
  static override summary =
    'Let a worker finish its job and take no other one, e.g. before maintenance of its machine.';
  static override args = {
    name: Args.string({ required: true, description: "the worker's name; see `workers list`" }),
  };
  static override flags = {
    exit: Flags.boolean({
      description: "end the worker's process after its job; without it, the worker stays in the room, drained",
    }),
    undo: Flags.boolean({ description: 'let the worker take jobs again', exclusive: ['exit'] }),
  };

  async run(): Promise<object> {
    const api = await this.roomApi();
    const [{ enterRoom }, { askToDrain }] = await Promise.all([
      import('../../lib/room/enter-room.ts'),
      import('../../lib/room/ask-to-drain.ts'),
    ]);
    const signaling = await enterRoom(api, {
      peerId: `cli-${randomUUID().slice(0, 13)}`,
      metadata: { tags: [], properties: {} },
    });
    try {
      const { status, job_id } = await askToDrain(signaling, this.args.name, {
        drain: !this.flags.undo,
        exit: this.flags.exit ?? false,
      });
      const then = this.flags.exit ? 'ends then' : 'takes no other';
      if (this.flags.undo) this.log(`Worker ${this.args.name} takes jobs again; it is ${status}.`);
      else if (job_id === null) this.log(`Worker ${this.args.name} is drained${this.flags.exit ? ', and ends' : ''}.`);
      else this.log(`Worker ${this.args.name} finishes job ${job_id} and ${then}.`);
      return { worker: this.args.name, status, job_id };
    } finally {
      await signaling.close();
    }
  }
}
