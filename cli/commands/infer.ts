import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { requirementFlags, requirementsOf, runFlags, runOptionsOf } from '../lib/submit/job-flags.ts';

/** `sleap-rtc infer INPUT` */
export default class Infer extends BaseCommand<typeof Infer> {
  static override summary = 'Predict on a video or labels with models of the room, and download the predictions.';
  static override examples = [
    '<%= config.bin %> infer clip.mp4 --model latest-single_instance --output predictions/',
    '<%= config.bin %> infer clip.mp4 -m latest-centroid -m latest-centered_instance --frames 0-499 --tracking',
  ];
  static override args = {
    input: Args.string({ required: true, description: 'a video, or labels with their images (.pkg.slp)' }),
  };
  static override flags = {
    model: Flags.string({
      char: 'm',
      required: true,
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'MODEL',
      description: 'id or alias of a model; give it twice for a top-down pair',
    }),
    output: Flags.string({
      char: 'o',
      default: 'predictions',
      helpValue: 'FOLDER',
      description: 'folder for the predictions',
    }),
    frames: Flags.string({ helpValue: '0-49', description: 'frames to predict on [default: all]' }),
    tracking: Flags.boolean({ description: 'also track each animal from frame to frame' }),
    ...requirementFlags,
    ...runFlags,
  };

  async run(): Promise<object> {
    const { model: models, frames, tracking, stage, priority } = this.flags;
    const options = { frames, tracking, stage, priority, requirements: requirementsOf(this.flags) };
    const request = { input: this.args.input, models, options };
    const api = await this.jobApi();
    const { runInference } = await import('../lib/submit/run-inference.ts');
    return this.showOutcome((display) => runInference(api, request, runOptionsOf(this.flags, this.folder), display));
  }
}
