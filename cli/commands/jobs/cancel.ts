import { Args } from '@oclif/core';
import { isFinal } from '../../../protocol/job.ts';
import { BaseCommand, connectionFlags } from '../../base-command.ts';

/** `sleap-rtc jobs cancel ID` */
export default class JobsCancel extends BaseCommand {
  static override summary =
    'End a job for good, keeping nothing of what it trains; see `jobs stop` to keep the best model.';
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };
  static override flags = { ...connectionFlags };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(JobsCancel);
    const { status } = await (await this.roomApi(flags)).cancelJob(args.job);
    if (status.phase === 'done' || status.phase === 'failed') {
      this.log(`Job ${status.job_id} had ended already: ${status.phase}.`);
    } else {
      this.log(
        isFinal(status.phase) ? `Job ${status.job_id} is cancelled.` : `Job ${status.job_id} has been told to stop.`,
      );
    }
    return { job: status };
  }
}
