import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Where a job's results are received, out of sight, until they are whole. Inside the output folder, so that moving them to
 * their place is one rename; with the process in its name, since two terminals may follow one job.
 */
export function partialFolder(output: string, jobId: string): string {
  return join(output, `.sleap-rtc-${jobId}-${process.pid}.partial`);
}

/** Removes what was received but did not become whole. */
export async function removePartial(output: string, jobId: string): Promise<void> {
  await rm(partialFolder(output, jobId), { recursive: true, force: true });
}
