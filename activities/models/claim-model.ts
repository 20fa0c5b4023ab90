import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { SleapRtcError } from '../../protocol/errors.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { ModelClaim as StoredClaim } from '../../protocol/stored/stored-objects.ts';
import { DamagedObjectError, readJson, readVersion, writeJson } from '../../storage/index.ts';
import { type ModelPlace, readModelFiles } from './model-files.ts';

/** A claim is renewed while its job uploads. One that is older than this belongs to a job that died, and may be taken over. */
const CLAIM_LIFE_MS = 10 * 60_000;
/** A claim is renewed after this part of its life: many renewals may fail, and a job that has lost its claim notices soon. */
const RENEW_AFTER = 1 / 20;

/** A claim that this process has. Whoever takes it over writes another one; so does another attempt of the same job. */
export interface ModelClaim {
  place: ModelPlace;
  value: object;
  etag: string;
  lifeMs: number;
}

/**
 * Makes sure that only one job writes into a model's folder: the same config and data give the same id, so two jobs can
 * meet there, and their files must not mix.
 * @returns the claim, or `published` if this job has already uploaded the whole model
 * @throws SleapRtcError MODEL_EXISTS if another job has published it; TRANSFER_FAILED (retryable) while another job uploads it
 */
export async function claimModel(
  place: ModelPlace,
  jobId: string,
  { signal, lifeMs = CLAIM_LIFE_MS }: { signal?: AbortSignal; lifeMs?: number } = {},
): Promise<ModelClaim | 'published'> {
  const { bucket, modelId } = place;
  const key = claimKey(place);
  const value = { job_id: jobId, attempt: randomUUID() };
  const etag = (await writeJson(bucket, key, value, { signal, condition: 'absent' })) ?? (await takeOver());
  // Checked only now: a job that published before us had the claim before us.
  const published = await readModelFiles(place, { signal });
  if (published === undefined) return { place, value, etag, lifeMs };
  if (published.job_id === jobId) return 'published';
  await releaseModel(place);
  throw new SleapRtcError('MODEL_EXISTS', `Model ${modelId} has been published already, by job ${published.job_id}.`);

  async function takeOver(): Promise<string> {
    const busy = new SleapRtcError('TRANSFER_FAILED', `Another job is uploading model ${modelId}.`);
    const found = await readVersion(bucket, key, StoredClaim, { signal, ifDamaged: 'missing' });
    if (found.etag === undefined) throw busy; // it was released at this moment
    const isFresh = Date.now() - found.modifiedMs < lifeMs;
    if (found.value !== undefined && found.value.job_id !== jobId && isFresh) throw busy;
    const taken = await writeJson(bucket, key, value, { signal, condition: { etag: found.etag } });
    if (taken === undefined) throw busy; // another job has taken it over at this moment
    return taken;
  }
}

/**
 * Renews a claim while `work` runs. If another job has the claim by now, because this process or its network was suspended,
 * the signal of `work` is aborted: it may write nothing more.
 * @throws SleapRtcError TRANSFER_FAILED (retryable) if the claim was lost; what `work` throws
 */
export async function whileClaimed<T>(
  { place, value, etag, lifeMs }: ModelClaim,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  const ended = new AbortController();
  const any = AbortSignal.any([signal, lost.signal, ended.signal]);
  const renewing = (async () => {
    // The same content gives the same ETag, so each renewal can name the first one's.
    const condition = { etag };
    for (;;) {
      await setTimeout(lifeMs * RENEW_AFTER, undefined, { signal: any });
      // If S3 is unreachable, the next renewal tries again.
      const renewed = await writeJson(place.bucket, claimKey(place), value, { signal: any, condition }).catch(
        () => etag,
      );
      if (renewed === undefined) lost.abort();
    }
  })().catch(() => undefined);
  try {
    return await work(any);
  } catch (error) {
    if (!lost.signal.aborted || signal.aborted) throw error;
    throw new SleapRtcError('TRANSFER_FAILED', 'Another upload of this model has taken over.', { cause: error });
  } finally {
    ended.abort();
    await renewing;
  }
}

/** The job whose files are in a model's folder, whole or not. Returns undefined if there are none, or the list is damaged. */
export async function ownerOf(place: ModelPlace): Promise<string | undefined> {
  try {
    const published = await readModelFiles(place);
    if (published !== undefined) return published.job_id;
    return (await readJson(place.bucket, claimKey(place), StoredClaim))?.job_id;
  } catch (error) {
    if (error instanceof DamagedObjectError) return undefined;
    throw error;
  }
}

/** Gives the claim up: the model is published, or never will be. */
export async function releaseModel(place: ModelPlace): Promise<void> {
  await place.bucket.remove(claimKey(place));
}

function claimKey({ room, modelId }: ModelPlace): string {
  return s3Layout.modelClaim(room, modelId);
}
