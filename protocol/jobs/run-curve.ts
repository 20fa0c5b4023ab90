import { z } from 'zod';
import { Count } from '../text.ts';
import { MAX_RUNS } from './job.ts';
import { MaxEpochs } from './job-view.ts';

/** Most points of a curve: `curve.ts`, which a browser runs without zod, leaves out every second one beyond it. */
const MAX_POINTS = 1000;

/** The losses of one sleap-nn run by epoch: three columns of the same length, epochs ascending from 1. */
export const RunCurve = z.object({
  run: z.string().max(128),
  /** 0-based place of the run in its job. */
  run_index: z
    .int()
    .min(0)
    .max(MAX_RUNS - 1),
  max_epochs: MaxEpochs.nullable(),
  epochs: z.array(Count).max(MAX_POINTS),
  train_loss: z.array(z.number().nullable()).max(MAX_POINTS),
  val_loss: z.array(z.number().nullable()).max(MAX_POINTS),
});
export type RunCurve = z.infer<typeof RunCurve>;
