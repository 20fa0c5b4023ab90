import { z } from 'zod';

const Loss = z.number().nullish().catch(null);

/** What sleap-nn sends over ZMQ. Accepts events and fields of other versions; a NaN loss becomes null. */
const TrainingEvent = z.object({
  event: z.string(),
  epoch: z.int().nullish().catch(null),
  batch: z.int().nullish().catch(null),
  logs: z.record(z.string(), Loss).nullish().catch(null),
});
/** `event` is `train_begin`, `epoch_begin`, `batch_start`, `batch_end`, `epoch_end` or `train_end`. */
export type TrainingEvent = z.infer<typeof TrainingEvent>;

/** Reads one message. Returns undefined if it is not one of sleap-nn's. */
export function parseTrainingEvent(text: string): TrainingEvent | undefined {
  try {
    // Python writes NaN and Infinity, which JSON does not have.
    const value: unknown = JSON.parse(text.replaceAll(/(?<=[:,[]\s*)-?(NaN|Infinity)\b/g, 'null'));
    return TrainingEvent.safeParse(value).data;
  } catch {
    return undefined;
  }
}
