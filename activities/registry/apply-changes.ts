import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type ChangeOutcome, emptyManifest, Manifest } from '../../protocol/manifest.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import type { ApplyManifestChangesInput } from '../contract.ts';
import { mergeChanges } from './merge-changes.ts';

/** Where manifests are kept. */
export interface ManifestStore {
  s3: S3Client;
  bucket: string;
  logger: Logger;
}

/** Only a writer outside of the registry conflicts with it, so a few rounds are many. */
const MAX_ROUNDS = 12;
const FIRST_WAIT_MS = 20;

/** The activity; see `applyChanges`. */
export function createApplyManifestChanges(store: ManifestStore) {
  return function applyManifestChanges(args: ApplyManifestChangesInput): Promise<ChangeOutcome[]> {
    return applyChanges(store, args, Context.current().cancellationSignal);
  };
}

/**
 * Writes changes into a room's manifest: reads it, merges, and writes it back on the condition that nobody has written it
 * meanwhile; else once more from the start. A write that landed though its reply was lost is recognised, since merging
 * the same changes again changes nothing.
 *
 * A manifest that cannot be read as one is not touched: every outcome says so, and a person must look at it.
 * @throws SleapRtcError STORAGE_UNREACHABLE; SERVER_ERROR where others keep writing in between
 */
export async function applyChanges(
  { s3, bucket, logger }: ManifestStore,
  { room_id, changes }: ApplyManifestChangesInput,
  signal: AbortSignal,
): Promise<ChangeOutcome[]> {
  const key = s3Layout.manifest(room_id);
  const log = logger.child({ room: room_id });

  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    if (round > 0) await sleep(FIRST_WAIT_MS * 2 ** Math.min(round, 6) * Math.random(), undefined, { signal });

    const found = await read();
    const manifest = found === undefined ? emptyManifest(room_id, new Date()) : parse(found.text, room_id);
    if (manifest === undefined) {
      log.error({ event: 'manifest_unreadable', key });
      return refuseAll();
    }
    const merged = mergeChanges(manifest, changes, new Date());
    if (!merged.changed) return merged.outcomes;
    if (await write(merged.manifest, found?.etag)) {
      log.info({ event: 'manifest_written', changes: changes.length, round });
      return merged.outcomes;
    }
    log.warn({ event: 'manifest_conflict', round });
  }
  throw new SleapRtcError('SERVER_ERROR', `The manifest of ${room_id} is being changed by somebody else all the time.`);

  async function read(): Promise<{ text: string; etag: string | undefined } | undefined> {
    try {
      const reply = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal });
      return { text: (await reply.Body?.transformToString()) ?? '', etag: reply.ETag };
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw storageError(error, signal);
    }
  }

  /** False where the manifest is not the one that was read any more. */
  async function write(next: Manifest, etag: string | undefined): Promise<boolean> {
    const condition = etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: etag };
    try {
      await s3.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: `${JSON.stringify(next, null, 2)}\n`,
          ContentType: 'application/json',
          ...condition,
        }),
        { abortSignal: signal },
      );
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      throw storageError(error, signal);
    }
  }

  function refuseAll(): ChangeOutcome[] {
    const message = `The manifest of ${room_id} at s3://${bucket}/${key} is damaged and was left untouched.`;
    return changes.map(({ change_id }) => ({ change_id, ok: false, error: { code: 'MANIFEST_DAMAGED', message } }));
  }
}

/** The manifest in a text, or undefined where it is none, or another room's. */
function parse(text: string, roomId: string): Manifest | undefined {
  try {
    const parsed = Manifest.safeParse(JSON.parse(text));
    return parsed.success && parsed.data.room_id === roomId ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** 412 is a failed condition; 409 a race that AWS asks to repeat; 404 is what AWS answers to If-Match on a missing key. */
function isConflict(error: unknown): boolean {
  return (
    error instanceof S3ServiceException &&
    error.name !== 'NoSuchBucket' &&
    [404, 409, 412].includes(error.$metadata.httpStatusCode ?? 0)
  );
}

function storageError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new SleapRtcError('STORAGE_UNREACHABLE', `The room’s manifest can’t be reached (${reason}).`, {
    cause: error,
  });
}
