import { randomUUID } from 'node:crypto';
import { Args, Flags } from '@oclif/core';
import { BaseCommand, connectionFlags } from '../../base-command.ts';

/** `sleap-rtc workers drain NAME` */
export default class WorkersDrain extends BaseCommand {
  static override summary = 'Have a worker finish its job and take no other, so that its machine can be serviced.';
  static override args = {
    name: Args.string({ required: true, description: "the worker's name, as `workers list` has it" }),
  };
  static override flags = {
    ...connectionFlags,
    exit: Flags.boolean({ description: "end the worker's process when its job is done; else it stays, drained" }),
    undo: Flags.boolean({ description: 'have it take jobs again', exclusive: ['exit'] }),
  };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(WorkersDrain);
    const api = await this.roomApi(flags);
    const [{ enterRoom }, { askToDrain }] = await Promise.all([
      import('../../lib/room/enter-room.ts'),
      import('../../lib/room/ask-to-drain.ts'),
    ]);
    const signaling = await enterRoom(api, {
      peerId: `cli-${randomUUID().slice(0, 13)}`,
      metadata: { tags: [], properties: {} },
    });
    try {
      const { status, job_id } = await askToDrain(signaling, args.name, {
        drain: !flags.undo,
        exit: flags.exit ?? false,
      });
      const then = flags.exit ? 'ends then' : 'takes no other';
      if (flags.undo) this.log(`Worker ${args.name} takes jobs again; it is ${status}.`);
      else if (job_id === null) this.log(`Worker ${args.name} is drained${flags.exit ? ', and ends' : ''}.`);
      else this.log(`Worker ${args.name} finishes job ${job_id} and ${then}.`);
      return { worker: args.name, status, job_id };
    } finally {
      await signaling.close();
    }
  }
}
