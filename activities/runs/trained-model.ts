import { z } from 'zod';
import { FileList } from '../../protocol/files.ts';
import { ModelId } from '../../protocol/ids.ts';
import { MAX_RUNS, RunName } from '../../protocol/job.ts';
import { ModelType } from '../../protocol/sleap-config.ts';

/** A finished sleap-nn run as the activity `train` returns it: what history keeps, never the files themselves. */
export const StoredTrainedModel = z.object({
  /** The run's name, `spec.runs[run_index].name`. */
  run: RunName,
  run_index: z
    .int()
    .min(0)
    .max(MAX_RUNS - 1),
  model_id: ModelId,
  model_type: ModelType,
  dataset_hash: z.string().max(64),
  /** Epochs trained, over all attempts. */
  epochs: z.int().min(0),
  /** The best validation loss; null where sleap-nn logged none. */
  final_loss: z.number().nullable(),
  training_duration_sec: z.number().min(0),
  /** ISO 8601. */
  trained_at: z.iso.datetime(),
  /** True where training ended before `max_epochs`: no more progress, or a stop command. */
  stopped_early: z.boolean(),
  /** Of the worker's folder `jobs/{job_id}/models/{run}`. */
  files: FileList,
});
export type TrainedModel = z.infer<typeof StoredTrainedModel>;
