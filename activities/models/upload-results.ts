import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { Context } from '@temporalio/activity';
import type { FileEntry } from '../../protocol/files.ts';
import type { InferenceSpec, JobInput } from '../../protocol/job.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { abortOption } from '../../storage/abort-option.ts';
import { inParallel } from '../../storage/in-parallel.ts';
import { putFile } from '../../storage/put-file.ts';
import { withStorageErrors } from '../../storage/storage-errors.ts';
import { describeFile } from '../files/describe-file.ts';
import type { ModelDeps } from './deps.ts';

const FILES_AT_ONCE = 4;

/**
 * Copies a job's results, and its logs, to its folder in S3, for a researcher who has left. Their list comes last, so that
 * results are there whole or not at all.
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable)
 */
export function createUploadResults(deps: ModelDeps) {
  return function uploadResults({ input }: { input: JobInput<InferenceSpec> }): Promise<void> {
    const { spec, context } = input;
    const signal = Context.current().cancellationSignal;
    return withStorageErrors(async () => {
      await keepFolder(deps, input, 'logs', signal);
      const files = await keepFolder(deps, input, 'results', signal);
      const list = new PutObjectCommand({
        Bucket: deps.bucket,
        Key: s3Layout.jobResultFiles(context.room_id, spec.job_id),
        Body: JSON.stringify({ job_id: spec.job_id, files }, null, 2),
        ContentType: 'application/json',
      });
      await deps.s3.send(list, abortOption(signal));
    });
  };
}

/**
 * Copies a job's logs to its folder in S3: of a job that failed they are what tells why.
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable)
 */
export function createUploadLogs(deps: ModelDeps) {
  return function uploadLogs({ input }: { input: JobInput }): Promise<void> {
    return withStorageErrors(async () => {
      await keepFolder(deps, input, 'logs', Context.current().cancellationSignal);
    });
  };
}

/** @returns what was copied, by name */
async function keepFolder(
  { s3, bucket, workDir }: ModelDeps,
  { spec, context }: JobInput,
  folder: 'results' | 'logs',
  signal: AbortSignal,
): Promise<FileEntry[]> {
  const here = join(workDir, 'jobs', spec.job_id, folder);
  const there = `${s3Layout.job(context.room_id, spec.job_id)}${folder}/`;
  const names = await readdir(here).catch(() => []);
  const kept: FileEntry[] = [];
  await inParallel(names.sort(), { limit: FILES_AT_ONCE, signal }, async (name, signal) => {
    const from = join(here, name);
    const entry = await describeFile(from, name);
    await putFile(s3, { bucket, key: there + name, from, entry, signal });
    kept.push(entry);
  });
  return kept;
}
