import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import type { FileEntry } from '../../protocol/files.ts';
import type { JobInput } from '../../protocol/jobs/job.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { inParallel, putFile, waitForStorage, writeJson } from '../../storage/index.ts';
import type { InferenceInput, JobActivityInput } from '../contract.ts';
import { describeFile } from '../files/file-hashes.ts';
import { jobFolders } from '../runs/job-folders.ts';
import type { ModelDeps } from './deps.ts';
import { waitingWith } from './upload-model.ts';

const FILES_AT_ONCE = 4;

/**
 * Uploads a job's logs and results to its folder in S3, for a researcher who is offline. Their list comes last, so that
 * results are there as a whole or not at all. If S3 is unavailable, this waits for as long as that lasts.
 * @throws SleapRtcError NOT_ALLOWED, STORAGE_REFUSED if S3 refuses
 */
export function createUploadResults(deps: ModelDeps) {
  return async function uploadResults({ input }: InferenceInput): Promise<void> {
    const { job_id } = input.spec;
    const signal = Context.current().cancellationSignal;
    const upload = async () => {
      await uploadFolder(deps, input, 'logs', signal);
      const files = await uploadFolder(deps, input, 'results', signal);
      const key = s3Layout.jobResultFiles(input.context.room_id, job_id);
      await writeJson(deps.bucket, key, { job_id, files }, { signal });
    };
    const detail = waitingWith('the file of predictions', deps.worker);
    const onWaiting = () => deps.publishProgress({ job_id, phase: 'uploading', detail });
    await waitForStorage(upload, { signal, onWaiting });
  };
}

/**
 * Uploads a job's logs to its folder in S3: they show why a job has failed.
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable)
 */
export function createUploadLogs(deps: ModelDeps) {
  return async function uploadLogs({ input }: JobActivityInput): Promise<void> {
    await uploadFolder(deps, input, 'logs', Context.current().cancellationSignal);
  };
}

/** @returns what was uploaded, by name */
async function uploadFolder(
  { bucket, workDir }: ModelDeps,
  { spec, context }: JobInput,
  folder: 'results' | 'logs',
  signal: AbortSignal,
): Promise<FileEntry[]> {
  const here = jobFolders(workDir, spec.job_id)[folder];
  const there = s3Layout[folder === 'logs' ? 'jobLogs' : 'jobResults'](context.room_id, spec.job_id);
  const names = await readdir(here).catch(() => []);
  const files: FileEntry[] = [];
  await inParallel(names.sort(), { limit: FILES_AT_ONCE, signal }, async (name, signal) => {
    const from = join(here, name);
    const entry = await describeFile(from, name);
    await putFile(bucket, { key: there + name, from, entry, signal });
    files.push(entry);
  });
  return files;
}
