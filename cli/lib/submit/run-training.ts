import type { RoomApi } from '../api/api-client.ts';
import { prepareTraining, type TrainingInputs } from '../inputs/prepare-training.ts';
import type { Display } from '../output/display.ts';
import type { JobOutcome } from '../results/job-outcome.ts';
import { type RunOptions, runJob } from './run-job.ts';
import { type TrainingOptions, trainingSpec, withoutKnownModels } from './training-spec.ts';

/** What `train` was asked to do. */
export interface TrainingRequest {
  inputs: TrainingInputs;
  options: Omit<TrainingOptions, 'jobId'>;
}

/**
 * Trains on a worker, and fetches the models.
 * @throws SleapRtcError whose exit code is the command's
 */
export function runTraining(
  api: RoomApi,
  { inputs, options }: TrainingRequest,
  run: RunOptions,
  display: Display,
): Promise<JobOutcome> {
  return runJob(
    api,
    {
      prepare: () => prepareTraining(inputs),
      spec: async (jobId, { prepared, entries, manifest }) => {
        const spec = trainingSpec(prepared, entries, { ...options, jobId });
        return withoutKnownModels(prepared, spec, await manifest(), (sentence) => display.say(sentence));
      },
      remember: {
        kind: 'training',
        inputs: { labels: inputs.labels, configs: [...inputs.configs], valLabels: [...inputs.valLabels] },
      },
    },
    run,
    display,
  );
}
