import { Args } from '@oclif/core';
import { isFinal } from '../../../protocol/job.ts';
import { BaseCommand } from '../../base-command.ts';
import { stagingWords } from '../../lib/output/staging-words.ts';
import { fields } from '../../lib/output/table.ts';
import { when } from '../../lib/output/words.ts';

/** `sleap-rtc jobs show ID` */
export default class JobsShow extends BaseCommand<typeof JobsShow> {
  static override summary = 'Show the state of a job, or its end.';
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };

  async run(): Promise<object> {
    const { status, temporal_ui_url, waiting } = await (await this.roomApi()).job(this.args.job);
    this.log(
      fields([
        ['Job', `${status.job_id} (${status.kind} of ${status.name})`],
        ['Phase', status.phase],
        ['Doing', status.error === null ? status.detail : undefined],
        ['Waiting', waiting?.sentence],
        ['Priority', isFinal(status.phase) ? undefined : status.priority],
        ['Error', status.error === null ? undefined : `${status.error.message} [${status.error.code}]`],
        ['Remedy', status.error?.remedy],
        ['Worker', status.worker],
        ['Data', isFinal(status.phase) ? undefined : stagingWords(status.staging)],
        ...status.models.map(
          (model) =>
            [
              'Model',
              `${model.id} (${model.aliases.join(', ')})${model.stopped_early ? ', stopped early' : ''}`,
            ] as const,
        ),
        ['Submitted', `${when(status.submitted_at)} by ${status.user_id}`],
        ['History', temporal_ui_url],
      ]),
    );
    return { job: status, temporal_ui_url, ...(waiting && { waiting }) };
  }
}
