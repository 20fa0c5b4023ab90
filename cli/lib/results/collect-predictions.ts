import { constants, copyFile, link, readdir, rm } from 'node:fs/promises';
import { join, parse } from 'node:path';
import type { TransferProgress } from '../../../protocol/jobs/job-view.ts';
import { retryOptions, retryWhileUnavailable } from '../api/retry-while-unavailable.ts';
import type { Followed } from '../follow/follow-job.ts';
import { downloadPredictions } from './download-files.ts';
import type { OutcomeContext } from './outcome-context.ts';
import { partialFolder } from './partial-folder.ts';

/**
 * Moves a finished inference's files into the output folder. If they did not arrive over WebRTC, downloads them from S3. Never
 * overwrites a file.
 * @returns the paths of the files
 */
export async function collectPredictions(
  { status, received }: Followed,
  { api, output, progress, signal }: Pick<OutcomeContext, 'api' | 'output' | 'progress' | 'signal'>,
): Promise<string[]> {
  let finished = partialFolder(output, status.job_id);
  if (!received) {
    progress.note('Downloading the predictions from the room’s storage.');
    // Another folder than that of an incomplete WebRTC transfer.
    const folder = join(finished, '.s3');
    finished = folder;
    const onProgress = (transfer: TransferProgress): void => progress.transfer(transfer);
    const fetch = () => downloadPredictions(api, status.job_id, folder, { signal, onProgress });
    await retryWhileUnavailable(fetch, retryOptions(progress, signal));
  }
  const entries = await readdir(finished, { withFileTypes: true });
  const placed: string[] = [];
  for (const entry of entries) {
    if (entry.isFile() && !entry.name.startsWith('.')) placed.push(await placeFile(join(finished, entry.name), output));
  }
  return placed;
}

/** Moves a file into a folder. If its name is taken there, it gets the name `name-2`, `name-3`… @returns its new path */
async function placeFile(file: string, folder: string): Promise<string> {
  const { name, ext, base } = parse(file);
  for (let number = 1; ; number++) {
    const target = join(folder, number === 1 ? base : `${name}-${number}${ext}`);
    try {
      await linkOrCopy(file, target);
      await rm(file);
      return target;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** Links, since a rename would replace an existing file; copies if the file system has no links. */
async function linkOrCopy(file: string, target: string): Promise<void> {
  try {
    await link(file, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    await copyFile(file, target, constants.COPYFILE_EXCL);
  }
}
