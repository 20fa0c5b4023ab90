import { constants, copyFile, link, readdir, rm } from 'node:fs/promises';
import { join, parse } from 'node:path';
import type { TransferProgress } from '../../../protocol/peer-messages.ts';
import { retryOptions, retryWhileUnavailable } from '../api/retry-while-unavailable.ts';
import type { Followed } from '../follow/follow-job.ts';
import { downloadPredictions } from './download-files.ts';
import type { OutcomeContext } from './outcome-context.ts';
import { partialFolder } from './partial-folder.ts';

/**
 * Brings a finished inference's files to their place in the output folder: what came over WebRTC, else from S3. Nobody's
 * files are overwritten.
 * @returns their paths
 */
export async function collectPredictions(
  { status, received }: Followed,
  { api, output, progress, signal }: Pick<OutcomeContext, 'api' | 'output' | 'progress' | 'signal'>,
): Promise<string[]> {
  let finished = partialFolder(output, status.job_id);
  if (!received) {
    progress.note('Fetching the predictions from the room’s storage.');
    // Apart from what WebRTC left half-made.
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

/** Moves a file into a folder, under its name or `name-2`, `name-3`… before the endings. @returns where it is now */
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

/** A link does not replace what is there, as a rename would; not every file system has them. */
async function linkOrCopy(file: string, target: string): Promise<void> {
  try {
    await link(file, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    await copyFile(file, target, constants.COPYFILE_EXCL);
  }
}
