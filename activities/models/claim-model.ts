import { DeleteObjectCommand, GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { JobId } from '../../protocol/ids.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { abortOption } from '../storage/abort-option.ts';
import { isConflict } from '../storage/storage-errors.ts';
import { readModelFiles } from './model-files.ts';

/** A claim is renewed at each attempt to upload. One older than this belongs to a job that died, and may be taken over. */
const CLAIM_LIFE_MS = 10 * 60_000;

const Claim = z.object({ job_id: JobId });

interface Where {
  bucket: string;
  room: string;
  modelId: string;
}

/**
 * Makes sure that only one job writes into a model's folder: the same config and data give the same id, so two jobs can
 * meet there, and their files must not mix.
 * @returns `published` where this very job had already written the model whole, else `claimed`
 * @throws SleapRtcError MODEL_EXISTS where another job has published it; TRANSFER_FAILED (retryable) while another uploads it
 */
export async function claimModel(
  s3: S3Client,
  where: Where,
  jobId: string,
  signal?: AbortSignal,
): Promise<'claimed' | 'published'> {
  const object = { Bucket: where.bucket, Key: claimKey(where) };
  const body = { ...object, Body: JSON.stringify({ job_id: jobId }), ContentType: 'application/json' };
  try {
    await s3.send(new PutObjectCommand({ ...body, IfNoneMatch: '*' }), abortOption(signal));
  } catch (error) {
    if (!isConflict(error)) throw error;
    await takeOver();
  }
  // Only now: whoever published before us had the claim before us.
  const published = await readModelFiles(s3, where, signal);
  if (published === undefined) return 'claimed';
  if (published.job_id === jobId) return 'published';
  await releaseModel(s3, where);
  throw new SleapRtcError(
    'MODEL_EXISTS',
    `Model ${where.modelId} has been published already, by job ${published.job_id}.`,
  );

  async function takeOver(): Promise<void> {
    const busy = new SleapRtcError('TRANSFER_FAILED', `Another job is uploading model ${where.modelId}.`);
    try {
      const reply = await s3.send(new GetObjectCommand(object), abortOption(signal));
      const claim = Claim.safeParse(JSON.parse((await reply.Body?.transformToString()) ?? '{}')).data;
      const ageMs = Date.now() - (reply.LastModified?.getTime() ?? 0);
      if (claim !== undefined && claim.job_id !== jobId && ageMs < CLAIM_LIFE_MS) throw busy;
      await s3.send(
        new PutObjectCommand({ ...body, ...(reply.ETag === undefined ? {} : { IfMatch: reply.ETag }) }),
        abortOption(signal),
      );
    } catch (error) {
      if (isConflict(error) || error instanceof NoSuchKey) throw busy; // it changed hands this moment
      throw error;
    }
  }
}

/** The job whose files lie in a model's folder, whole or not; undefined where there are none, or what says so is damaged. */
export async function ownerOf(s3: S3Client, where: Where): Promise<string | undefined> {
  try {
    const published = await readModelFiles(s3, where);
    if (published !== undefined) return published.job_id;
    const reply = await s3.send(new GetObjectCommand({ Bucket: where.bucket, Key: claimKey(where) }));
    return Claim.safeParse(JSON.parse((await reply.Body?.transformToString()) ?? '')).data?.job_id;
  } catch (error) {
    const isDamaged = error instanceof SyntaxError || error instanceof SleapRtcError;
    if (isDamaged || error instanceof NoSuchKey) return undefined;
    throw error;
  }
}

/** Gives the claim up, when the model is published or will never be. */
export async function releaseModel(s3: S3Client, where: Where): Promise<void> {
  await s3.send(new DeleteObjectCommand({ Bucket: where.bucket, Key: claimKey(where) }));
}

/** What says whose files are being put into a model's folder. */
export function claimKey({ room, modelId }: Where): string {
  return `${s3Layout.model(room, modelId)}claim.json`;
}
