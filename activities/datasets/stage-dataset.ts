import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import type { FileEntry } from '../../protocol/files.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { type Bucket, inParallel, putFile } from '../../storage/index.ts';
import type { JobActivityInput } from '../contract.ts';
import { jobFolders } from '../runs/job-folders.ts';
import type { DatasetDeps } from './deps.ts';

/** A large file is uploaded in several parts at a time anyway. */
const FILES_AT_ONCE = 2;
const REQUESTS_AT_ONCE = 16;

/**
 * Uploads the job's files from this worker to S3, each under its hash, so that another worker needs no researcher. This runs while
 * the job trains. First it records the job as a user of each file, so that no other job's end removes it. A file that S3 has is
 * not sent again.
 * @throws SleapRtcError STORAGE_UNREACHABLE, INTEGRITY (retryable)
 */
export function createStageDataset({ bucket, workDir, publishProgress, logger }: DatasetDeps) {
  return async function stageDataset({ input }: JobActivityInput): Promise<void> {
    const { job_id, files } = input.spec;
    const room = input.context.room_id;
    const { dataset } = jobFolders(workDir, job_id);
    const byHash = [...new Map(files.map((entry) => [entry.sha256, entry])).values()];
    const signal = Context.current().cancellationSignal;
    await inParallel(byHash, { limit: REQUESTS_AT_ONCE, signal }, async ({ sha256 }, signal) => {
      await bucket.put(s3Layout.datasetUsers(room, sha256) + job_id, job_id, { signal });
    });
    let sentBytes = 0;
    // A job that ended at the same time may not have seen this job among the users, and removed a file that was there.
    for (let missing = byHash; missing.length > 0; missing = await missingOf(bucket, room, byHash, signal)) {
      sentBytes += await upload(bucket, room, dataset, missing, signal);
    }
    logger.info({ event: 'dataset_staged', job: job_id, files: byHash.length, sent_bytes: sentBytes });
    // The job's status reports it too, but later.
    publishProgress({ job_id, staging: 'staged' });
  };
}

/** @returns how many bytes were sent */
async function upload(
  bucket: Bucket,
  room: string,
  folder: string,
  entries: readonly FileEntry[],
  signal: AbortSignal,
): Promise<number> {
  let bytes = 0;
  await inParallel(entries, { limit: FILES_AT_ONCE, signal }, async (entry, signal) => {
    const key = s3Layout.dataset(room, entry.sha256);
    const from = join(folder, entry.path);
    if (await putFile(bucket, { key, from, entry, ifAbsent: true, signal })) bytes += entry.size_bytes;
  });
  return bytes;
}

async function missingOf(
  bucket: Bucket,
  room: string,
  entries: readonly FileEntry[],
  signal: AbortSignal,
): Promise<FileEntry[]> {
  const missing: FileEntry[] = [];
  await inParallel(entries, { limit: REQUESTS_AT_ONCE, signal }, async (entry, signal) => {
    if ((await bucket.info(s3Layout.dataset(room, entry.sha256), { signal })) === undefined) missing.push(entry);
  });
  return missing;
}
