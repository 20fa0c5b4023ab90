import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { SleapRtcError } from '../protocol/errors.ts';
import type { Bucket, RequestOptions, WriteCondition } from './bucket.ts';
import { DamagedObjectError } from './storage-errors.ts';

/** Two writers seldom change one object at the same time, so a few rounds are enough. */
const MAX_ROUNDS = 12;
const FIRST_WAIT_MS = 20;
/** How often the wait is doubled at most. */
const MAX_DOUBLINGS = 6;

export interface ReadJsonOptions extends RequestOptions {
  /** The value of an object that does not fit its schema. Default: it is an error. */
  ifDamaged?: 'missing';
}

/** Returns undefined if there is no such object. @throws DamagedObjectError if it does not fit the schema */
export async function readJson<T>(
  bucket: Bucket,
  key: string,
  schema: z.ZodType<T>,
  options: ReadJsonOptions = {},
): Promise<T | undefined> {
  return (await readVersion(bucket, key, schema, options)).value;
}

/** Returns the new ETag, or undefined if the condition does not hold. */
export function writeJson(
  bucket: Bucket,
  key: string,
  value: unknown,
  options: RequestOptions & { condition?: WriteCondition } = {},
): Promise<string | undefined> {
  return bucket.put(key, `${JSON.stringify(value, null, 2)}\n`, { ...options, contentType: 'application/json' });
}

/**
 * Reads an object, changes it, and writes it back if nobody else has written it in between; otherwise it starts over, after a random
 * wait that grows. A write that succeeded although its answer was lost is found by `change` in the next round.
 * @param change gets undefined if there is no object; returns undefined to write nothing
 * @returns the value that was read last, and the one that was written
 * @throws SleapRtcError SERVER_ERROR (retryable) if others keep writing in between; DamagedObjectError; whatever `change` throws
 */
export async function updateJson<T>(
  bucket: Bucket,
  key: string,
  schema: z.ZodType<T>,
  change: (before: T | undefined) => T | undefined,
  { onConflict, ...options }: ReadJsonOptions & { onConflict?: (round: number) => void } = {},
): Promise<{ before: T | undefined; after: T | undefined }> {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    if (round > 0) await sleep(waitMs(round), undefined, { signal: options.signal });
    const { value: before, etag } = await readVersion(bucket, key, schema, options);
    const after = change(before);
    if (after === undefined) return { before, after };
    const condition = etag === undefined ? 'absent' : { etag };
    if ((await writeJson(bucket, key, after, { ...options, condition })) !== undefined) return { before, after };
    onConflict?.(round);
  }
  throw new SleapRtcError('SERVER_ERROR', `${key} is being changed by somebody else all the time.`);
}

/** An object's value and its version; the etag is undefined if there is no object. */
export interface JsonVersion<T> {
  value: T | undefined;
  etag: string | undefined;
  /** When it was written; in ms since 1970. */
  modifiedMs: number;
}

/** Reads an object with the version that a conditional write needs. @throws DamagedObjectError if it does not fit the schema */
export async function readVersion<T>(
  bucket: Bucket,
  key: string,
  schema: z.ZodType<T>,
  { ifDamaged, ...options }: ReadJsonOptions = {},
): Promise<JsonVersion<T>> {
  const object = await bucket.get(key, options);
  if (object === undefined) return { value: undefined, etag: undefined, modifiedMs: 0 };
  const { etag, modifiedMs } = object;
  const text = await object.text();
  try {
    return { value: schema.parse(JSON.parse(text)), etag, modifiedMs };
  } catch (error) {
    if (ifDamaged === 'missing') return { value: undefined, etag, modifiedMs };
    throw new DamagedObjectError(key, error);
  }
}

function waitMs(round: number): number {
  return FIRST_WAIT_MS * 2 ** Math.min(round, MAX_DOUBLINGS) * Math.random();
}
