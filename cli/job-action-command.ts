import { Args } from '@oclif/core';
import type { JobAction } from '../protocol/api.ts';
import type { JobStatus } from '../protocol/job.ts';
import { BaseCommand } from './base-command.ts';

/** A command that gives a job an order, and says what becomes of the job. */
export abstract class JobActionCommand extends BaseCommand<typeof JobActionCommand> {
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };

  protected abstract readonly order: JobAction;

  /** What is said of a job that had not ended when the order came, or is cancelled. */
  protected abstract sentence(status: JobStatus): string;

  async run(): Promise<object> {
    const { status } = await (await this.roomApi()).controlJob(this.args.job, this.order);
    const { job_id, phase } = status;
    const ended = phase === 'done' || phase === 'failed';
    this.log(ended ? `Job ${job_id} had ended already: ${phase}.` : this.sentence(status));
    return { job: status };
  }
}
