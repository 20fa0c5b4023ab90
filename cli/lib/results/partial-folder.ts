import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The hidden folder that receives a job's results until they are complete. It is inside the output folder, so that one rename
 * moves them to their place. Its name has the process id, since two terminals may follow one job.
 */
export function partialFolder(output: string, jobId: string): string {
  return join(output, `.sleap-rtc-${jobId}-${process.pid}.partial`);
}

/** Removes the folder with incomplete results. */
export async function removePartial(output: string, jobId: string): Promise<void> {
  await rm(partialFolder(output, jobId), { recursive: true, force: true });
}
