import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../base-command.ts';
import { getResults } from '../../lib/results/get-results.ts';

/** `sleap-rtc jobs get ID` */
export default class JobsGet extends BaseCommand<typeof JobsGet> {
  static override summary = "Fetch what a job has made from the room's storage: models or predictions.";
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };
  static override flags = {
    output: Flags.string({
      char: 'o',
      helpValue: 'FOLDER',
      description: 'where it goes [default: models or predictions]',
    }),
  };

  async run(): Promise<object> {
    const api = await this.roomApi();
    return this.showOutcome((display) => getResults(api, this.args.job, this.flags.output, display));
  }
}
