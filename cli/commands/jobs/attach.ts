import { Args, Flags } from '@oclif/core';
import { BaseCommand, connectionFlags } from '../../base-command.ts';
import { outcomeSummary } from '../../lib/results/outcome-summary.ts';
import { onInterruptFlag } from '../../lib/submit/job-flags.ts';

/** `sleap-rtc jobs attach ID` */
export default class JobsAttach extends BaseCommand {
  static override summary = 'Follow a job again, serving its data if that is still needed, and bring its results here.';
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };
  static override flags = {
    ...connectionFlags,
    output: Flags.string({
      char: 'o',
      helpValue: 'FOLDER',
      description: 'where the results go [default: as `train` or `infer` was told]',
    }),
    'on-interrupt': onInterruptFlag,
  };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(JobsAttach);
    const api = await this.jobApi(flags);
    const [{ attachJob }, { createDisplay }] = await Promise.all([
      import('../../lib/submit/attach-job.ts'),
      import('../../lib/output/display.ts'),
    ]);
    const display = createDisplay();
    try {
      const { output, 'on-interrupt': onInterrupt } = flags;
      const outcome = await attachJob(
        api,
        { jobId: args.job, output, onInterrupt, configFolder: this.folder },
        display,
      );
      display[Symbol.dispose]();
      this.log(outcomeSummary(outcome));
      return outcome;
    } finally {
      display[Symbol.dispose]();
    }
  }
}
