import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSpec, JobInput } from '../../protocol/job.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { describeFile } from '../files/describe-file.ts';
import { withHeartbeats } from './heartbeats.ts';
import { inParallel } from './in-parallel.ts';
import type { ModelDeps } from './index.ts';
import { putFile } from './put-file.ts';
import { withStorageErrors } from './storage-errors.ts';

const FILES_AT_ONCE = 4;

/**
 * Copies a job's results, and its logs, to its folder in S3, for a researcher who has left.
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable)
 */
export function createKeepResults(deps: ModelDeps) {
  return async function keepResults({ input }: { input: JobInput<InferenceSpec> }): Promise<void> {
    await keepFolders(deps, input, ['results', 'logs']);
  };
}

/**
 * Copies a job's logs to its folder in S3: of a job that failed they are what tells why.
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable)
 */
export function createKeepLogs(deps: ModelDeps) {
  return async function keepLogs({ input }: { input: JobInput }): Promise<void> {
    await keepFolders(deps, input, ['logs']);
  };
}

async function keepFolders(
  { s3, bucket, workDir }: ModelDeps,
  { spec, context }: JobInput,
  folders: readonly string[],
): Promise<void> {
  const job = join(workDir, 'jobs', spec.job_id);
  const prefix = s3Layout.job(context.room_id, spec.job_id);
  await withHeartbeats((signal) =>
    withStorageErrors(async () => {
      for (const folder of folders) {
        const names = await readdir(join(job, folder)).catch(() => []);
        await inParallel(names, { limit: FILES_AT_ONCE, signal }, async (name, signal) => {
          const from = join(job, folder, name);
          const entry = await describeFile(from, name);
          await putFile(s3, { bucket, key: `${prefix}${folder}/${name}`, from, entry, signal });
        });
      }
    }),
  );
}
