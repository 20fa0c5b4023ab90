import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { SleapRtcError } from '../../protocol/errors.ts';
import { abortOption } from '../../storage/abort-option.ts';
import { isConflict } from '../../storage/storage-errors.ts';
import { Checkpoints, latestKey, type RunPlace } from './checkpoints.ts';

/** Whose `latest.json`, and the term of the attempt that writes it. */
export interface LatestPlace {
  s3: S3Client;
  place: RunPlace;
  term: number;
  signal: AbortSignal;
}

/**
 * Takes a run over from attempts of earlier terms: workers that were given up on may still run, and reach S3. From now on they keep
 * nothing more, and remove nothing of what is returned.
 * @throws SleapRtcError WORKER_LOST where a later attempt has the run
 */
export async function claimRun(latest: LatestPlace): Promise<Checkpoints> {
  const { after } = await updateLatest(latest, (before) => before);
  return after;
}

/**
 * Changes a run's `latest.json`, in one conditional write. What is nothing of ours counts as empty.
 * @throws SleapRtcError WORKER_LOST where a later attempt has the run
 */
export async function updateLatest(
  { s3, place, term, signal }: LatestPlace,
  change: (before: Checkpoints) => Omit<Checkpoints, 'term'>,
): Promise<{ before: Checkpoints; after: Checkpoints }> {
  const object = { Bucket: place.bucket, Key: latestKey(place) };
  for (;;) {
    const { etag, checkpoints: before } = await read();
    if (before.term > term) throw new SleapRtcError('WORKER_LOST', 'Another worker has taken this run over.');
    const after = { ...change(before), term };
    const condition = etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: etag };
    const body = { Body: JSON.stringify(after), ContentType: 'application/json' };
    try {
      await s3.send(new PutObjectCommand({ ...object, ...body, ...condition }), abortOption(signal));
      return { before, after };
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }

  async function read(): Promise<{ etag: string | undefined; checkpoints: Checkpoints }> {
    try {
      const reply = await s3.send(new GetObjectCommand(object), abortOption(signal));
      return { etag: reply.ETag, checkpoints: parse((await reply.Body?.transformToString()) ?? '') };
    } catch (error) {
      if (error instanceof NoSuchKey) return { etag: undefined, checkpoints: parse('') };
      throw error;
    }
  }
}

function parse(text: string): Checkpoints {
  const nothing: Checkpoints = { term: 0, snapshots: [] };
  try {
    return Checkpoints.safeParse(JSON.parse(text)).data ?? nothing;
  } catch {
    return nothing;
  }
}
