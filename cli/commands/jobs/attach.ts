import { Args, Flags } from '@oclif/core';
import { BaseCommand, connectionFlags } from '../../base-command.ts';
import { onInterruptFlag } from '../../lib/job/job-flags.ts';
import { trainingSummary } from '../../lib/output/training-summary.ts';

/** `sleap-rtc jobs attach ID` */
export default class JobsAttach extends BaseCommand {
  static override summary = 'Follow a job that was detached from, and bring its models here when it ends.';
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };
  static override flags = {
    ...connectionFlags,
    output: Flags.string({
      char: 'o',
      default: 'models',
      helpValue: 'FOLDER',
      description: 'where the model folders go',
    }),
    'on-interrupt': onInterruptFlag,
  };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(JobsAttach);
    const api = await this.roomApi(flags);
    const [{ attachJob }, { createDisplay }] = await Promise.all([
      import('../../lib/job/attach-job.ts'),
      import('../../lib/output/display.ts'),
    ]);
    const display = createDisplay();
    try {
      const request = { jobId: args.job, output: flags.output, onInterrupt: flags['on-interrupt'] };
      const { name, outcome } = await attachJob(api, request, display);
      display[Symbol.dispose]();
      this.log(trainingSummary(name, outcome));
      return outcome;
    } finally {
      display[Symbol.dispose]();
    }
  }
}
