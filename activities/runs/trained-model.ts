import { z } from 'zod';
import { FileEntry } from '../../protocol/files.ts';
import { ModelId } from '../../protocol/ids.ts';
import { ModelType } from '../../protocol/sleap-config.ts';

/** A finished sleap-nn run as the activity `train` returns it: what history keeps, never the files themselves. */
export const StoredTrainedModel = z.object({
  /** The run's name, `spec.runs[run_index].name`. */
  run: z.string(),
  run_index: z.int(),
  model_id: ModelId,
  model_type: ModelType,
  dataset_hash: z.string(),
  /** Epochs trained, over all attempts. */
  epochs: z.int(),
  /** The best validation loss; null where sleap-nn logged none. */
  final_loss: z.number().nullable(),
  training_duration_sec: z.number(),
  /** ISO 8601. */
  trained_at: z.string(),
  /** True where training ended before `max_epochs`: no more progress, or a stop command. */
  stopped_early: z.boolean(),
  /** Of the worker's folder `jobs/{job_id}/models/{run}`. */
  files: z.array(FileEntry),
});
export type TrainedModel = z.infer<typeof StoredTrainedModel>;
