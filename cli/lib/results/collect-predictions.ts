import { constants, copyFile, link, rm } from 'node:fs/promises';
import { join, parse } from 'node:path';
import type { FileEntry } from '../../../protocol/files.ts';
import type { TransferProgress } from '../../../protocol/jobs/job-view.ts';
import { retryOptions, retryWhileUnavailable } from '../api/retry-while-unavailable.ts';
import type { Followed } from '../follow/follow-job.ts';
import { downloadPredictions } from './download-files.ts';
import type { OutcomeContext } from './outcome-context.ts';
import { arrivalFolder, partialFolder } from './partial-folder.ts';
import { hasArrived } from './published-files.ts';

/**
 * Moves a finished inference's files into the output folder. If they did not arrive over WebRTC as the room's storage has them,
 * downloads them from there. Never overwrites a file.
 * @returns the paths of the files
 */
export async function collectPredictions(
  { status, received }: Followed,
  context: Pick<OutcomeContext, 'api' | 'output' | 'progress' | 'signal'>,
): Promise<string[]> {
  const { api, output, progress, signal } = context;
  let finished = arrivalFolder(output, status.job_id);
  let files: readonly FileEntry[] = [];
  const published = async () => {
    files = (await api.jobResults(status.job_id)).files;
    return files;
  };
  if (!(await hasArrived(finished, published, { what: 'the predictions', received, ...context }))) {
    progress.note('Downloading the predictions from the room’s storage.');
    // Another folder than that of an incomplete WebRTC transfer.
    const folder = join(partialFolder(output, status.job_id), '.s3');
    finished = folder;
    const onProgress = (transfer: TransferProgress): void => progress.transfer(transfer);
    const fetch = () => downloadPredictions(api, status.job_id, folder, { signal, onProgress });
    files = await retryWhileUnavailable(fetch, retryOptions(progress, signal));
  }
  const placed: string[] = [];
  for (const { path } of files) placed.push(await placeFile(join(finished, path), output));
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
