import { z } from 'zod';

/**
 * A sentence that a part of ours has made, perhaps from the output of another program. What is beyond the limit is cut off: an
 * answer must not fail as a whole because one sentence is long. What a client sends is refused instead.
 */
export function clippedText(maxLength: number) {
  return z
    .string()
    .overwrite((text) => (text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text))
    .max(maxLength);
}

/** A time in ISO 8601, as text. */
export const TimeText = z.string().max(40);

/** How many there are of something. */
export const Count = z.int().min(0).max(1_000_000_000);
