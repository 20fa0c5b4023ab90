import { constants, copyFile, link, readdir, rm } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { Followed } from './follow-job.ts';
import type { OutcomeContext } from './job-outcome.ts';
import { partialFolder } from './partial-folder.ts';

/**
 * Brings a finished inference's files to their place in the output folder; nobody's files are overwritten.
 * @returns their paths
 * @throws SleapRtcError TRANSFER_FAILED where they did not come over WebRTC
 */
export async function collectPredictions(
  { status, received }: Followed,
  { output }: Pick<OutcomeContext, 'output'>,
): Promise<string[]> {
  if (!received) {
    throw new SleapRtcError('TRANSFER_FAILED', 'The predictions were made, but did not arrive here.', {
      remedy: `They are kept in the room’s storage under jobs/${status.job_id}/results/; or predict again.`,
    });
  }
  const partial = partialFolder(output, status.job_id);
  const entries = await readdir(partial, { withFileTypes: true });
  const placed: string[] = [];
  for (const entry of entries) {
    if (entry.isFile() && !entry.name.startsWith('.')) placed.push(await placeFile(join(partial, entry.name), output));
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
