import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../base-command.ts';
import { requirementFlags, requirementsOf, runFlags, runOptionsOf } from '../lib/submit/job-flags.ts';

/** `sleap-rtc train LABELS` */
export default class Train extends BaseCommand<typeof Train> {
  static override summary = 'Train models on a worker of the room, and download them.';
  static override description = [
    'Checks labels and configs, sends them directly to a worker over WebRTC, shows progress, and puts each finished model into its own folder below --output. Each model is also published to the room.',
    'Ctrl-C asks whether to detach, to cancel or to continue. Without a terminal, it cancels the job until the worker has the data, and detaches after that (see --on-interrupt).',
  ].join('\n\n');
  static override examples = [
    '<%= config.bin %> train labels.pkg.slp --config single_instance.yaml',
    '<%= config.bin %> train labels.pkg.slp --config centroid.yaml --config centered_instance.yaml --alias flies-v2',
    '<%= config.bin %> train labels.slp.training_job.zip --wait 30 --json',
  ];
  static override args = {
    labels: Args.string({
      required: true,
      description: 'labels with their images (.pkg.slp), or a *.training_job.zip',
    }),
  };
  static override flags = {
    config: Flags.string({
      char: 'c',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'FILE',
      description: 'sleap-nn config (.yaml); give one for each model',
    }),
    'val-labels': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'FILE',
      description: 'labels for validation [default: those that the config names]',
    }),
    output: Flags.string({
      char: 'o',
      default: 'models',
      helpValue: 'FOLDER',
      description: 'folder for the model folders',
    }),
    alias: Flags.string({
      helpValue: 'NAME',
      description: 'alias of the model in the room; with several models, each gets NAME-<model type>',
    }),
    notes: Flags.string({ default: '', helpValue: 'TEXT', description: 'text that is saved with the model' }),
    'model-tag': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'TAG',
      description: 'tag that is saved with the model',
    }),
    retrain: Flags.boolean({ description: 'train again even if the room has a model of the same config and data' }),
    ...requirementFlags,
    ...runFlags,
  };

  async run(): Promise<object> {
    const { alias, notes, retrain, stage, priority } = this.flags;
    const { config: configs = [], 'val-labels': valLabels = [], 'model-tag': tags = [] } = this.flags;
    const inputs = { labels: this.args.labels, configs, valLabels };
    const options = { alias, notes, tags, retrain, stage, priority, requirements: requirementsOf(this.flags) };
    const api = await this.jobApi();
    // WebRTC is loaded here and not at the top, since it would delay the start of every other command.
    const { runTraining } = await import('../lib/submit/run-training.ts');
    return this.showOutcome((display) =>
      runTraining(api, { inputs, options }, runOptionsOf(this.flags, this.folder), display),
    );
  }
}
