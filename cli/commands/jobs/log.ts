import { Args } from '@oclif/core';
import { BaseCommand, connectionFlags } from '../../base-command.ts';

/** `sleap-rtc jobs log ID` */
export default class JobsLog extends BaseCommand {
  static override summary = 'Print what sleap-nn wrote while a job ran, from its end (1 MiB a run).';
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };
  static override flags = { ...connectionFlags };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(JobsLog);
    const { log } = await (await this.roomApi(flags)).jobLog(args.job);
    this.log(log);
    return { log };
  }
}
