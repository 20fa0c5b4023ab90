import { z } from 'zod';

/** An object with keys and values of one kind, at most `max` of them. */
export function limitedRecord<Key extends z.ZodType<string>, Value extends z.ZodType>(
  key: Key,
  value: Value,
  max: number,
) {
  return z
    .record(key, value)
    .refine((entries) => Object.keys(entries).length <= max, { error: `at most ${max} entries` })
    .meta({ maxProperties: max });
}
