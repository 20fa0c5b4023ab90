import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { DeleteObjectCommand, GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { JobId } from '../../protocol/ids.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { abortOption } from '../../storage/abort-option.ts';
import { isAbsent, isConflict } from '../../storage/storage-errors.ts';
import { readModelFiles } from './model-files.ts';

/** A claim is renewed while its holder uploads. One older than this belongs to a job that died, and may be taken over. */
const CLAIM_LIFE_MS = 10 * 60_000;
/** Of a claim's life, until it is renewed: many renewals may fail, and who has lost it learns so soon. */
const RENEW_AFTER = 1 / 20;

const Claim = z.object({ job_id: JobId });

interface Where {
  bucket: string;
  room: string;
  modelId: string;
}

/** A claim that is held. Whoever takes it over writes another one, also another attempt of the same job. */
export interface ModelClaim {
  key: { Bucket: string; Key: string };
  body: string;
  etag: string | undefined;
  lifeMs: number;
}

/**
 * Makes sure that only one job writes into a model's folder: the same config and data give the same id, so two jobs can
 * meet there, and their files must not mix.
 * @returns `published` where this very job had already written the model whole, else the claim
 * @throws SleapRtcError MODEL_EXISTS where another job has published it; TRANSFER_FAILED (retryable) while another uploads it
 */
export async function claimModel(
  s3: S3Client,
  where: Where,
  jobId: string,
  { signal, lifeMs = CLAIM_LIFE_MS }: { signal?: AbortSignal; lifeMs?: number } = {},
): Promise<ModelClaim | 'published'> {
  const key = { Bucket: where.bucket, Key: claimKey(where) };
  const body = JSON.stringify({ job_id: jobId, holder: randomUUID() });
  const claimed = await put({ IfNoneMatch: '*' }).catch((error: unknown) => {
    if (!isConflict(error)) throw error;
    return takeOver();
  });
  // Only now: whoever published before us had the claim before us.
  const published = await readModelFiles(s3, where, signal);
  if (published === undefined) return { key, body, etag: claimed.ETag, lifeMs };
  if (published.job_id === jobId) return 'published';
  await releaseModel(s3, where);
  throw new SleapRtcError(
    'MODEL_EXISTS',
    `Model ${where.modelId} has been published already, by job ${published.job_id}.`,
  );

  async function takeOver() {
    const busy = new SleapRtcError('TRANSFER_FAILED', `Another job is uploading model ${where.modelId}.`);
    try {
      const reply = await s3.send(new GetObjectCommand(key), abortOption(signal));
      const claim = Claim.safeParse(JSON.parse((await reply.Body?.transformToString()) ?? '{}')).data;
      const ageMs = Date.now() - (reply.LastModified?.getTime() ?? 0);
      if (claim !== undefined && claim.job_id !== jobId && ageMs < lifeMs) throw busy;
      return await put(reply.ETag === undefined ? {} : { IfMatch: reply.ETag });
    } catch (error) {
      if (isConflict(error) || error instanceof NoSuchKey) throw busy; // it changed hands this moment
      throw error;
    }
  }

  function put(condition: { IfNoneMatch?: string; IfMatch?: string }) {
    return s3.send(new PutObjectCommand({ ...claimObject(key, body), ...condition }), abortOption(signal));
  }
}

/**
 * Renews a claim for as long as `work` takes. Where somebody else has it by now, since this process or its network stood still,
 * the signal that `work` gets is aborted: it must write nothing more.
 * @throws SleapRtcError TRANSFER_FAILED (retryable) where the claim was lost; what `work` throws
 */
export async function whileClaimed<T>(
  s3: S3Client,
  { key, body, etag, lifeMs }: ModelClaim,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  const over = new AbortController();
  const both = AbortSignal.any([signal, lost.signal, over.signal]);
  const condition = etag === undefined ? {} : { IfMatch: etag };
  const renewing = (async () => {
    for (;;) {
      await setTimeout(lifeMs * RENEW_AFTER, undefined, { signal: both });
      try {
        await s3.send(new PutObjectCommand({ ...claimObject(key, body), ...condition }), abortOption(both));
      } catch (error) {
        // Storage that is away takes no other file either; it is tried again.
        if (isConflict(error) || isAbsent(error)) lost.abort(error);
      }
    }
  })().catch(() => undefined);
  try {
    return await work(both);
  } catch (error) {
    if (!lost.signal.aborted || signal.aborted) throw error;
    throw new SleapRtcError('TRANSFER_FAILED', 'Another upload of this model has taken over.', {
      cause: lost.signal.reason,
    });
  } finally {
    over.abort();
    await renewing;
  }
}

function claimObject(key: ModelClaim['key'], Body: string) {
  return { ...key, Body, ContentType: 'application/json' };
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
