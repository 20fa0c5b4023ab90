import { readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Age after which the folder of a process on another computer counts as left behind, in ms. */
const LEFT_AFTER_MS = 7 * 24 * 60 * 60 * 1000;

/** The name of a partial folder: job (or model), computer and process. */
const NAME = /^\.sleap-rtc-(?<job>[a-z0-9]+)-(?<host>[A-Za-z0-9_]*)-(?<pid>\d+)\.partial$/;

/**
 * The hidden folder that receives a job's results until they are complete. It is inside the output folder, so that one rename
 * moves them to their place. Its name has the computer and the process, since two terminals may follow one job.
 */
export function partialFolder(output: string, jobId: string): string {
  return join(output, `.sleap-rtc-${jobId}-${hostPart()}-${process.pid}.partial`);
}

/** The folder inside it into which workers send. */
export function arrivalFolder(output: string, jobId: string): string {
  return join(partialFolder(output, jobId), 'received');
}

/** Removes the folder with incomplete results. */
export async function removePartial(output: string, jobId: string): Promise<void> {
  await rm(partialFolder(output, jobId), { recursive: true, force: true });
}

/**
 * Cleans up after commands that were killed while results arrived in an output folder. What has arrived of this job is taken over, so
 * that the transfer continues; the rest is removed. Folders of living processes are left alone.
 */
export async function takeOverLeftovers(output: string, jobId: string): Promise<void> {
  const own = partialFolder(output, jobId);
  for (const name of await readdir(output).catch(() => [])) {
    const { job, host = '', pid = '' } = NAME.exec(name)?.groups ?? {};
    const folder = join(output, name);
    if (job === undefined || folder === own || !(await isLeft(folder, host, Number(pid)))) continue;
    // If another terminal takes it over at the same moment, it is gone.
    const isTaken =
      job === jobId &&
      (await rename(folder, own).then(
        () => true,
        () => false,
      ));
    if (!isTaken) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** True if no process uses a partial folder any more. */
async function isLeft(folder: string, host: string, pid: number): Promise<boolean> {
  if (host === hostPart()) return !isRunning(pid);
  const changed = await stat(folder).catch(() => undefined);
  return changed !== undefined && Date.now() - changed.mtimeMs > LEFT_AFTER_MS;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is another user's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** This computer's name, as far as it can be part of a file name. */
function hostPart(): string {
  return hostname()
    .replaceAll(/[^A-Za-z0-9]/g, '_')
    .slice(0, 40);
}
