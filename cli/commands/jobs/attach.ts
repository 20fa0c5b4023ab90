import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { onInterruptFlag } from '../../lib/submit/job-flags.ts';

/** `sleap-rtc jobs attach ID` */
export default class JobsAttach extends BaseCommand<typeof JobsAttach> {
  static override summary =
    'Follow a submitted job until it ends, send its data if a worker needs it, and download its results.';
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };
  static override flags = {
    output: Flags.string({
      char: 'o',
      helpValue: 'FOLDER',
      description: 'folder for the results [default: as given to `train` or `infer`]',
    }),
    'on-interrupt': onInterruptFlag,
  };

  async run(): Promise<object> {
    const { output, 'on-interrupt': onInterrupt } = this.flags;
    const request = { jobId: this.args.job, output, onInterrupt, configFolder: this.folder };
    const api = await this.jobApi();
    const { attachJob } = await import('../../lib/submit/attach-job.ts');
    return this.showOutcome((display) => attachJob(api, request, display));
  }
}
