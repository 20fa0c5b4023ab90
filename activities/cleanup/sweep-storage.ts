import { basename } from 'node:path';
import { JobId, ModelId, RoomId } from '../../protocol/ids.ts';
import { Manifest } from '../../protocol/models/manifest.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { StoredRoom } from '../../protocol/stored/stored-objects.ts';
import { type Bucket, inParallel, readJson } from '../../storage/index.ts';
import { ownerOf } from '../models/claim-model.ts';
import { createClearJobStorage } from './clear-job-storage.ts';

const REQUESTS_AT_ONCE = 8;
/** Rooms at a time; each makes some requests one after the other. */
const ROOMS_AT_ONCE = 4;

/** How a job's workflow ended; `kept` if it failed and has finished work that must stay; `unknown` if Temporal no longer has it. */
export type JobFate = 'running' | 'kept' | 'done' | 'failed' | 'unknown';

interface Sweep {
  /** The room bucket. */
  bucket: Bucket;
  fateOf: (room: string, jobId: string) => Promise<JobFate>;
  signal: AbortSignal;
}

/** What is left of a job. */
interface Leftovers {
  /** SHA-256s of files of which it is a user. */
  dataset: string[];
  /** Models that it has begun to upload and that the manifest does not have. */
  unpublished: string[];
}

/**
 * Removes what jobs have left in S3 that ended while no control worker ran, or that an orphaned worker wrote: data that no running
 * job uses, checkpoints, models of failed jobs. Never removes a model that the manifest has, nor any model if the manifest
 * cannot be read.
 * @returns the ids of the jobs that had left something
 * @throws SleapRtcError STORAGE_UNREACHABLE; what `fateOf` throws; the signal's reason, between two rooms or jobs
 */
export async function sweepStorage(sweep: Sweep): Promise<string[]> {
  const { folders } = await sweep.bucket.listFolder('');
  const rooms = folders.filter((room) => RoomId.safeParse(room).success);
  const swept: string[] = [];
  await inParallel(rooms, { limit: ROOMS_AT_ONCE, signal: sweep.signal }, async (room) => {
    const isDeleted = await removeIfDeleted(sweep.bucket, room);
    if (!isDeleted) swept.push(...(await sweepRoom(sweep, room)));
  });
  return swept;
}

/** Removes what a worker uploaded to a room after its owner had deleted it. */
async function removeIfDeleted(bucket: Bucket, room: string): Promise<boolean> {
  const record = await readJson(bucket, s3Layout.room(room), StoredRoom, { ifDamaged: 'missing' });
  if (record?.deleted_at === undefined) return false;
  await bucket.removePrefix(`${room}/`, { except: s3Layout.room(room) });
  return true;
}

async function sweepRoom({ bucket, fateOf, signal }: Sweep, room: string): Promise<string[]> {
  const clear = createClearJobStorage({ bucket });
  // Files are listed before their users: a job first records its use, and then uploads the file.
  const files = (await bucket.listFolder(s3Layout.dataset(room, ''))).keys;
  const left = new LeftoversByJob();
  const used = await noteUsers(bucket, room, left);
  await noteCheckpoints(bucket, room, left);
  await noteModels(bucket, room, left);

  const swept: string[] = [];
  await inParallel([...left.jobs], { limit: REQUESTS_AT_ONCE, signal }, async ([job_id, { dataset, unpublished }]) => {
    const fate = await fateOf(room, job_id);
    if (fate === 'running' || fate === 'kept') return;
    // A job that has failed may have published a model after the manifest was read.
    const isUnpublished = fate === 'failed' && unpublished.length > 0 ? await notInManifest(bucket, room) : () => false;
    await clear({ room_id: room, job_id, dataset, unpublished: unpublished.filter(isUnpublished) });
    swept.push(job_id);
  });
  const unused = files.filter((key) => !used.has(key));
  await inParallel(unused, { limit: REQUESTS_AT_ONCE }, async (key) => {
    // A job that has started since may have found the file and rely on it.
    const users = await bucket.list(s3Layout.datasetUsers(room, basename(key)), { limit: 1 });
    if (users.length === 0) await bucket.remove(key);
  });
  return swept;
}

class LeftoversByJob {
  readonly jobs = new Map<string, Leftovers>();

  of(job: string): Leftovers {
    const known = this.jobs.get(job) ?? { dataset: [], unpublished: [] };
    this.jobs.set(job, known);
    return known;
  }
}

/** @returns the keys of the files that have users */
async function noteUsers(bucket: Bucket, room: string, left: LeftoversByJob): Promise<Set<string>> {
  const prefix = s3Layout.datasetUsers(room, '').slice(0, -1);
  const used = new Set<string>();
  for (const { key } of await bucket.list(prefix)) {
    const [sha256 = '', job = ''] = key.slice(prefix.length).split('/');
    used.add(s3Layout.dataset(room, sha256));
    if (JobId.safeParse(job).success) left.of(job).dataset.push(sha256);
  }
  return used;
}

async function noteCheckpoints(bucket: Bucket, room: string, left: LeftoversByJob): Promise<void> {
  const jobs = (await bucket.listFolder(s3Layout.job(room, '').slice(0, -1))).folders;
  await inParallel(jobs, { limit: REQUESTS_AT_ONCE }, async (job) => {
    const checkpoints = await bucket.list(s3Layout.jobCheckpoints(room, job), { limit: 1 });
    if (checkpoints.length > 0 && JobId.safeParse(job).success) left.of(job);
  });
}

async function noteModels(bucket: Bucket, room: string, left: LeftoversByJob): Promise<void> {
  const { folders } = await bucket.listFolder(s3Layout.model(room, '').slice(0, -1));
  const isUnpublished = await notInManifest(bucket, room);
  const others = folders.filter((id) => isUnpublished(id) && ModelId.safeParse(id).success);
  await inParallel(others, { limit: REQUESTS_AT_ONCE }, async (modelId) => {
    const owner = await ownerOf({ bucket, room, modelId });
    if (owner !== undefined) left.of(owner).unpublished.push(modelId);
  });
}

/** @returns whether the room's manifest lacks a model; false for every model if the manifest cannot be read */
async function notInManifest(bucket: Bucket, room: string): Promise<(modelId: string) => boolean> {
  const manifest = await readJson(bucket, s3Layout.manifest(room), Manifest, { ifDamaged: 'missing' });
  return (modelId) => manifest !== undefined && manifest.models[modelId] === undefined;
}
