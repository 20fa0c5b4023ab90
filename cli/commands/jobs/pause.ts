import { Args } from '@oclif/core';
import type { JobStatus } from '../../../protocol/job.ts';
import { BaseCommand, connectionFlags } from '../../base-command.ts';

/** `sleap-rtc jobs pause ID` */
export default class JobsPause extends BaseCommand {
  static override summary = 'Have a training job give its GPU to others, until `jobs resume`.';
  static override description =
    'Training ends at its last checkpoint, which is kept in the room’s storage; the job goes on from there. A job that waits for ' +
    'a worker or its data waits without taking one. One that stores or publishes its models already is left to its end.';
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };
  static override flags = { ...connectionFlags };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(JobsPause);
    const { status } = await (await this.roomApi(flags)).pauseJob(args.job);
    this.log(sentence(status));
    return { job: status };
  }
}

function sentence({ job_id, phase, detail }: JobStatus): string {
  switch (phase) {
    case 'done':
    case 'failed':
    case 'cancelled':
      return `Job ${job_id} had ended already: ${phase}.`;
    case 'paused':
      return `Job ${job_id} is paused.\nGo on with: sleap-rtc jobs resume ${job_id}`;
    case 'queued':
    case 'receiving':
    case 'training':
      return `Job ${job_id} has been told to pause: ${detail || phase}.\nGo on with: sleap-rtc jobs resume ${job_id}`;
    default:
      return `Job ${job_id} is not paused, since nothing is being trained now: ${detail || phase}.`;
  }
}
