import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { abortOption } from '../storage/abort-option.ts';
import { isConflict } from '../storage/storage-errors.ts';
import { Checkpoints, isLater, latestKey, newestAttempt, type RunPlace } from './checkpoints.ts';

/** `latest.json` as it was read or written, with what a conditional write needs. */
export interface Latest {
  /** Undefined where it is nothing of ours. */
  checkpoints: Checkpoints | undefined;
  etag: string | undefined;
}

/** Reads a run's `latest.json`; undefined where there is none. */
export async function readLatest(s3: S3Client, place: RunPlace, signal: AbortSignal): Promise<Latest | undefined> {
  try {
    const get = new GetObjectCommand({ Bucket: place.bucket, Key: latestKey(place) });
    const reply = await s3.send(get, abortOption(signal));
    return { checkpoints: parse((await reply.Body?.transformToString()) ?? ''), etag: reply.ETag };
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    throw error;
  }
}

/**
 * Writes `latest.json` in place of the one that was known. One that somebody else has written meanwhile is replaced only if it is
 * of an earlier attempt, or nothing of ours: a pod that was given up on may still run.
 * @returns undefined where a later attempt has taken over
 */
export async function writeLatest(
  s3: S3Client,
  place: RunPlace,
  checkpoints: Checkpoints,
  known: Latest | undefined,
  signal: AbortSignal,
): Promise<Latest | undefined> {
  const ours = newestAttempt(checkpoints);
  for (let before = known; ; ) {
    const theirs = before?.checkpoints && newestAttempt(before.checkpoints);
    if (ours !== undefined && theirs !== undefined && isLater(theirs, ours)) return undefined;
    const condition = before?.etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: before.etag };
    const object = { Bucket: place.bucket, Key: latestKey(place), ContentType: 'application/json' };
    const put = new PutObjectCommand({ ...object, Body: JSON.stringify(checkpoints), ...condition });
    try {
      return { checkpoints, etag: (await s3.send(put, abortOption(signal))).ETag };
    } catch (error) {
      if (!isConflict(error)) throw error;
      before = await readLatest(s3, place, signal);
    }
  }
}

function parse(text: string): Checkpoints | undefined {
  try {
    return Checkpoints.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
