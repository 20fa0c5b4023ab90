import { Args } from '@oclif/core';
import { isFinal } from '../../../protocol/jobs/job.ts';
import { BaseCommand } from '../../base-command.ts';
import { stagingWords } from '../../lib/output/staging-words.ts';
import { fields } from '../../lib/output/table.ts';
import { when } from '../../lib/output/words.ts';

/** `sleap-rtc jobs show ID` */
export default class JobsShow extends BaseCommand<typeof JobsShow> {
  static override summary = 'Show the state of a job, or its end.';
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };

  async run(): Promise<object> {
    const job = await (await this.roomApi()).job(this.args.job);
    const { temporal_ui_url, waiting } = job;
    this.log(
      fields([
        ['Job', `${job.job_id} (${job.kind} of ${job.name})`],
        ['Phase', job.phase],
        ['Doing', job.error === null ? job.detail : undefined],
        ['Waiting', waiting?.sentence],
        ['Priority', isFinal(job.phase) ? undefined : job.priority],
        ['Error', job.error === null ? undefined : `${job.error.message} [${job.error.code}]`],
        ['Remedy', job.error?.remedy],
        ['Worker', job.worker],
        ['Data', isFinal(job.phase) ? undefined : stagingWords(job.staging)],
        ...job.models.map(
          (model) =>
            [
              'Model',
              `${model.id} (${model.aliases.join(', ')})${model.stopped_early ? ', stopped early' : ''}`,
            ] as const,
        ),
        ['Submitted', `${when(job.submitted_at)} by ${job.user_id}`],
        ['History', temporal_ui_url],
      ]),
    );
    return { job, temporal_ui_url, ...(waiting && { waiting }) };
  }
}
