import { basename } from 'node:path';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  type S3Client,
} from '@aws-sdk/client-s3';
import { ZodError } from 'zod';
import { JobId, ModelId, RoomId } from '../../protocol/ids.ts';
import { Manifest } from '../../protocol/manifest.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { inParallel } from '../../storage/in-parallel.ts';
import { withStorageErrors } from '../../storage/storage-errors.ts';
import { ownerOf } from '../models/claim-model.ts';
import { listBelow } from './bucket-listing.ts';
import { createClearJobStorage } from './clear-job-storage.ts';

const REQUESTS_AT_ONCE = 8;

/** How a job's workflow stands; `unknown` where Temporal has forgotten it. */
export type JobFate = 'running' | 'done' | 'failed' | 'unknown';

interface Sweep {
  s3: S3Client;
  /** The room bucket. */
  bucket: string;
  fateOf: (room: string, jobId: string) => Promise<JobFate>;
  signal: AbortSignal;
}

/** What is left of a job. */
interface Leftovers {
  /** SHA-256s of files that it is noted as a user of. */
  dataset: string[];
  /** Models that it has begun to upload and that the manifest has not. */
  unpublished: string[];
}

/**
 * Removes what jobs have left in S3 that ended while it was away, or that a worker wrote which was given up on: data that no running
 * job uses, checkpoints, models of failed jobs. A model that the manifest has is never touched, and none where no manifest can
 * be read.
 * @returns the ids of the jobs of which something was left
 * @throws SleapRtcError STORAGE_UNREACHABLE; what `fateOf` throws; the signal's reason, between two rooms or jobs
 */
export function sweepStorage(sweep: Sweep): Promise<string[]> {
  return withStorageErrors(async () => {
    const { folders } = await listBelow(sweep.s3, { bucket: sweep.bucket, prefix: '', folders: true });
    const swept: string[] = [];
    for (const room of folders) {
      sweep.signal.throwIfAborted();
      if (RoomId.safeParse(room).success) swept.push(...(await sweepRoom(sweep, room)));
    }
    return swept;
  });
}

async function sweepRoom({ s3, bucket, fateOf, signal }: Sweep, room: string): Promise<string[]> {
  const clear = createClearJobStorage({ s3, bucket });
  // Before their users: a job notes its use first, and then stores the file.
  const files = (await listBelow(s3, { bucket, prefix: s3Layout.dataset(room, ''), folders: true })).keys;
  const left = new Map<string, Leftovers>();
  const of = (job: string): Leftovers => {
    const known = left.get(job) ?? { dataset: [], unpublished: [] };
    left.set(job, known);
    return known;
  };
  const used = await noteUsers();
  await noteCheckpoints();
  await noteModels();

  const swept: string[] = [];
  await inParallel([...left], { limit: REQUESTS_AT_ONCE, signal }, async ([job_id, { dataset, unpublished }]) => {
    const fate = await fateOf(room, job_id);
    if (fate === 'running') return;
    await clear({ room_id: room, job_id, dataset, ...(fate === 'failed' ? { unpublished } : {}) });
    swept.push(job_id);
  });
  const orphans = files.filter((key) => !used.has(key));
  await inParallel(orphans, { limit: REQUESTS_AT_ONCE }, async (Key) => {
    // A job that has come since may have found it there and rely on it.
    const Prefix = s3Layout.datasetUsers(room, basename(Key));
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix, MaxKeys: 1 }));
    if (Contents.length > 0) return;
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
  });
  return swept;

  /** @returns the keys of the files that have users */
  async function noteUsers(): Promise<Set<string>> {
    const prefix = s3Layout.datasetUsers(room, '').slice(0, -1);
    const used = new Set<string>();
    for (const key of (await listBelow(s3, { bucket, prefix })).keys) {
      const [sha256 = '', job = ''] = key.slice(prefix.length).split('/');
      used.add(s3Layout.dataset(room, sha256));
      if (JobId.safeParse(job).success) of(job).dataset.push(sha256);
    }
    return used;
  }

  async function noteCheckpoints(): Promise<void> {
    const jobs = (await listBelow(s3, { bucket, prefix: s3Layout.job(room, '').slice(0, -1), folders: true })).folders;
    await inParallel(jobs, { limit: REQUESTS_AT_ONCE }, async (job) => {
      const { Contents = [] } = await s3.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: s3Layout.jobCheckpoints(room, job), MaxKeys: 1 }),
      );
      if (Contents.length > 0 && JobId.safeParse(job).success) of(job);
    });
  }

  async function noteModels(): Promise<void> {
    const { folders } = await listBelow(s3, { bucket, prefix: s3Layout.model(room, '').slice(0, -1), folders: true });
    const published = await publishedModels(s3, bucket, room);
    const others = folders.filter((id) => published?.has(id) === false && ModelId.safeParse(id).success);
    await inParallel(others, { limit: REQUESTS_AT_ONCE }, async (modelId) => {
      const owner = await ownerOf(s3, { bucket, room, modelId });
      if (owner !== undefined) of(owner).unpublished.push(modelId);
    });
  }
}

/** The ids of the models that the room has published; undefined where its manifest is absent or damaged. */
async function publishedModels(s3: S3Client, bucket: string, room: string): Promise<Set<string> | undefined> {
  try {
    const reply = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: s3Layout.manifest(room) }));
    const { models } = Manifest.parse(JSON.parse((await reply.Body?.transformToString()) ?? ''));
    return new Set(Object.keys(models));
  } catch (error) {
    if (error instanceof NoSuchKey || error instanceof SyntaxError || error instanceof ZodError) return undefined;
    throw error;
  }
}
