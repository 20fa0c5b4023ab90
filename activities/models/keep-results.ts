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
export function createKeepResults({ s3, bucket, workDir }: ModelDeps) {
  return async function keepResults({ input }: { input: JobInput<InferenceSpec> }): Promise<void> {
    const job = join(workDir, 'jobs', input.spec.job_id);
    const prefix = s3Layout.job(input.context.room_id, input.spec.job_id);
    await withHeartbeats((signal) =>
      withStorageErrors(async () => {
        for (const kind of ['results', 'logs']) {
          const names = await readdir(join(job, kind)).catch(() => []);
          await inParallel(names, { limit: FILES_AT_ONCE, signal }, async (name, signal) => {
            const from = join(job, kind, name);
            await putFile(s3, {
              bucket,
              key: `${prefix}${kind}/${name}`,
              from,
              entry: await describeFile(from, name),
              signal,
            });
          });
        }
      }),
    );
  };
}
