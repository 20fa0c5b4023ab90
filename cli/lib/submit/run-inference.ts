import type { RoomApi } from '../api/api-client.ts';
import { prepareInference } from '../inputs/prepare-inference.ts';
import type { Display } from '../output/display.ts';
import type { JobOutcome } from '../results/job-outcome.ts';
import { chooseModels } from './choose-models.ts';
import { type InferenceOptions, inferenceSpec } from './inference-spec.ts';
import { type RunOptions, runJob } from './run-job.ts';

/** What `infer` was asked to do. */
export interface InferenceRequest {
  input: string;
  /** Model ids or aliases. */
  models: readonly string[];
  options: Omit<InferenceOptions, 'jobId' | 'models'>;
}

/**
 * Predicts on a worker, and fetches the predictions.
 * @throws SleapRtcError whose exit code is the command's
 */
export function runInference(
  api: RoomApi,
  { input, models, options }: InferenceRequest,
  run: RunOptions,
  display: Display,
): Promise<JobOutcome> {
  return runJob(
    api,
    {
      prepare: () => prepareInference(input),
      spec: async (jobId, { prepared, entries, manifest }) => {
        const chosen = chooseModels(await manifest(), models);
        if (chosen.length === 1 && chosen[0]?.model_type === 'centroid') {
          display.say(
            `${models[0]} finds only the positions of the animals. For their poses, add a centered_instance model with a second -m.`,
          );
        }
        return inferenceSpec(prepared, entries, { ...options, jobId, models: chosen.map(({ id }) => id) });
      },
      remember: { kind: 'inference', input },
    },
    run,
    display,
  );
}
