import { Args } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';

/** `sleap-rtc jobs log ID` */
export default class JobsLog extends BaseCommand<typeof JobsLog> {
  static override summary = 'Print the output of sleap-nn for a job: the last 1 MiB of each run.';
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };

  async run(): Promise<object> {
    const { log } = await (await this.roomApi()).jobLog(this.args.job);
    this.log(log);
    return { log };
  }
}
