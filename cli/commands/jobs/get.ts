import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';

/** `sleap-rtc jobs get ID` */
export default class JobsGet extends BaseCommand<typeof JobsGet> {
  static override summary = "Download a job's models or predictions from the room's storage.";
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };
  static override flags = {
    output: Flags.string({
      char: 'o',
      helpValue: 'FOLDER',
      description: 'folder for the results [default: models or predictions]',
    }),
  };

  async run(): Promise<object> {
    const api = await this.roomApi();
    const { getResults } = await import('../../lib/results/get-results.ts');
    return this.showOutcome((display) => getResults(api, this.args.job, this.flags.output, display));
  }
}
