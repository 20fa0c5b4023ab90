import { z } from 'zod';

/** The losses of one sleap-nn run by epoch: three columns of the same length, epochs ascending from 1. */
export const RunCurve = z.object({
  run: z.string(),
  /** 0-based place of the run in its job. */
  run_index: z.int(),
  max_epochs: z.int().nullable(),
  epochs: z.array(z.int()),
  train_loss: z.array(z.number().nullable()),
  val_loss: z.array(z.number().nullable()),
});
export type RunCurve = z.infer<typeof RunCurve>;
