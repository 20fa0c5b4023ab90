import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { SleapRtcError } from '../../protocol/errors.ts';
import { StoredTrainedModel, type TrainedModel } from '../sleap-nn/trained-model.ts';
import { abortOption } from '../storage/abort-option.ts';
import { fetchFile } from '../storage/fetch-file.ts';
import { inParallel } from '../storage/in-parallel.ts';
import { putFile } from '../storage/put-file.ts';
import { fileKey, modelKey, type RunPlace } from './checkpoints.ts';

/** A model is one large file and a dozen small ones. */
const FILES_AT_ONCE = 4;

interface KeptModelPlace {
  s3: S3Client;
  place: RunPlace;
  /** The model's folder on this pod. */
  folder: string;
  signal: AbortSignal;
}

/**
 * Stores a run's finished model among its checkpoints, where the last one's best weights lie already: what sleap-nn found when it
 * looked at its result is not made twice, and another pod publishes the very same files. `trained.json` comes last.
 */
export async function keepModel({ s3, place, folder, signal }: KeptModelPlace, trained: TrainedModel): Promise<void> {
  const { bucket } = place;
  await inParallel(trained.files, { limit: FILES_AT_ONCE, signal }, async (entry, signal) => {
    const key = fileKey(place, entry.sha256);
    await putFile(s3, { bucket, key, from: join(folder, entry.path), entry, ifAbsent: true, signal });
  });
  const object = { Bucket: bucket, Key: modelKey(place), ContentType: 'application/json' };
  await s3.send(new PutObjectCommand({ ...object, Body: JSON.stringify(trained) }), abortOption(signal));
}

/** Brings such a model to this pod. Undefined where there is none, or not all of it: then the checkpoints are what is left. */
export async function restoreModel({ s3, place, folder, signal }: KeptModelPlace): Promise<TrainedModel | undefined> {
  const { bucket } = place;
  const trained = await readTrained(s3, place, signal);
  if (trained === undefined) return undefined;
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  for (const entry of trained.files) {
    const options = { bucket, key: fileKey(place, entry.sha256), to: join(partial, entry.path), entry, signal };
    if (!(await fetchFile(s3, options).catch(falseIfDamaged))) return undefined;
  }
  await rm(folder, { recursive: true, force: true });
  await rename(partial, folder);
  return trained;
}

async function readTrained(s3: S3Client, place: RunPlace, signal: AbortSignal): Promise<TrainedModel | undefined> {
  try {
    const get = new GetObjectCommand({ Bucket: place.bucket, Key: modelKey(place) });
    const reply = await s3.send(get, abortOption(signal));
    return StoredTrainedModel.safeParse(JSON.parse((await reply.Body?.transformToString()) ?? '')).data;
  } catch (error) {
    if (error instanceof NoSuchKey || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function falseIfDamaged(error: unknown): false {
  if (error instanceof SleapRtcError && error.code === 'INTEGRITY') return false;
  throw error;
}
