import { Args, Flags } from '@oclif/core';
import { BaseCommand, connectionFlags } from '../../base-command.ts';
import { createDisplay } from '../../lib/output/display.ts';
import { getResults } from '../../lib/results/get-results.ts';
import { outcomeSummary } from '../../lib/results/outcome-summary.ts';

/** `sleap-rtc jobs get ID` */
export default class JobsGet extends BaseCommand {
  static override summary = "Fetch what a job has made from the room's storage: models or predictions.";
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };
  static override flags = {
    ...connectionFlags,
    output: Flags.string({
      char: 'o',
      helpValue: 'FOLDER',
      description: 'where it goes [default: models or predictions]',
    }),
  };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(JobsGet);
    const api = await this.roomApi(flags);
    const display = createDisplay();
    try {
      const outcome = await getResults(api, args.job, flags.output, display);
      display[Symbol.dispose]();
      this.log(outcomeSummary(outcome));
      return outcome;
    } finally {
      display[Symbol.dispose]();
    }
  }
}
