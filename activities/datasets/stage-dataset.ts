import { join } from 'node:path';
import { HeadObjectCommand, NotFound, PutObjectCommand } from '@aws-sdk/client-s3';
import { Context } from '@temporalio/activity';
import type { FileEntry } from '../../protocol/files.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { abortOption } from '../../storage/abort-option.ts';
import { inParallel } from '../../storage/in-parallel.ts';
import { putFile } from '../../storage/put-file.ts';
import { withStorageErrors } from '../../storage/storage-errors.ts';
import type { JobActivityInput } from '../contract.ts';
import type { DatasetDeps } from './deps.ts';

/** Large files go up in several parts at once anyway; small ones gain by company. */
const FILES_AT_ONCE = 2;
const REQUESTS_AT_ONCE = 16;

/**
 * Copies the job's files from this worker to S3, each under its hash, so that another worker needs no researcher. Done while the job
 * trains. First the job is noted as a user of each file, so that no other job's end removes it; a file that is there already
 * is not sent again.
 * @throws SleapRtcError STORAGE_UNREACHABLE, INTEGRITY (retryable)
 */
export function createStageDataset({ s3, bucket, workDir, publishProgress, logger }: DatasetDeps) {
  return async function stageDataset({ input }: JobActivityInput): Promise<void> {
    const { job_id, files } = input.spec;
    const room = input.context.room_id;
    const folder = join(workDir, 'jobs', job_id, 'dataset');
    const byHash = [...new Map(files.map((entry) => [entry.sha256, entry])).values()];
    let bytes = 0;
    const signal = Context.current().cancellationSignal;
    await withStorageErrors(async () => {
      await inParallel(byHash, { limit: REQUESTS_AT_ONCE, signal }, (entry, signal) => noteUse(entry, signal));
      // A job that ended between our note and its own look at the users may have removed a file that we found there.
      for (let missing = byHash; missing.length > 0; missing = await missingOf(byHash, signal)) {
        await inParallel(missing, { limit: FILES_AT_ONCE, signal }, async (entry, signal) => {
          const key = s3Layout.dataset(room, entry.sha256);
          const sent = await putFile(s3, {
            bucket,
            key,
            from: join(folder, entry.path),
            entry,
            ifAbsent: true,
            signal,
          });
          if (sent) bytes += entry.size_bytes;
        });
      }
    });
    logger.info({ event: 'dataset_staged', job: job_id, files: byHash.length, sent_bytes: bytes });
    // Sooner than the job's status, which says it too.
    publishProgress({ job_id, staging: 'staged' });

    async function noteUse({ sha256 }: FileEntry, signal: AbortSignal): Promise<void> {
      const Key = s3Layout.datasetUsers(room, sha256) + job_id;
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: job_id }), abortOption(signal));
    }

    async function missingOf(entries: readonly FileEntry[], signal: AbortSignal): Promise<FileEntry[]> {
      const missing: FileEntry[] = [];
      await inParallel(entries, { limit: REQUESTS_AT_ONCE, signal }, async (entry, signal) => {
        const Key = s3Layout.dataset(room, entry.sha256);
        try {
          await s3.send(new HeadObjectCommand({ Bucket: bucket, Key }), abortOption(signal));
        } catch (error) {
          if (!(error instanceof NotFound)) throw error;
          missing.push(entry);
        }
      });
      return missing;
    }
  };
}
