import { Args } from '@oclif/core';
import type { JobStatus } from '../../../protocol/job.ts';
import { BaseCommand, connectionFlags } from '../../base-command.ts';

/** `sleap-rtc jobs resume ID` */
export default class JobsResume extends BaseCommand {
  static override summary = 'Have a paused job queue again, to go on from its last checkpoint.';
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };
  static override flags = { ...connectionFlags };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(JobsResume);
    const { status } = await (await this.roomApi(flags)).resumeJob(args.job);
    this.log(sentence(status));
    return { job: status };
  }
}

function sentence({ job_id, phase, detail, staging }: JobStatus): string {
  switch (phase) {
    case 'done':
    case 'failed':
    case 'cancelled':
      return `Job ${job_id} had ended already: ${phase}.`;
    case 'paused':
      return `Job ${job_id} has been told to go on.`;
    case 'queued':
    case 'receiving': {
      const needed = `\nIts data is not in the room’s storage: on the computer that submitted it, run: sleap-rtc jobs attach ${job_id}`;
      return `Job ${job_id} is ${phase}: ${detail || phase}.${staging === 'staged' ? '' : needed}`;
    }
    default:
      return `Job ${job_id} is not paused: ${detail || phase}.`;
  }
}
