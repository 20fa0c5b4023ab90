import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { ownerArgument } from '../../../activities/sleap-nn/index.ts';

/**
 * A job's folder is kept so long for a job that comes back to this disk, in ms: it goes on from what lies there. That saves time,
 * and no job needs it: one that is paused or waits has no folder here (its session's end removed it), and one that comes back
 * later gets its data from the dataset store, S3 or the researcher, and its attempts from S3 (docs/decisions/013), at most two
 * minutes of training behind what was lost here.
 */
const RETAIN_JOBS_MS = 24 * 60 * 60_000;

/**
 * Ends what an earlier process of this worker has left, before jobs are taken: sleap-nn processes, which hold GPU memory, and
 * folders of jobs that have not come back for a day.
 *
 * Processes are known by their own command line, which names the worker's folder; a file with process ids could be lost, or name
 * a process that has taken over the id. sleap-nn ends with its worker by itself (`launcher.py`); this is for where that failed.
 */
export async function endLeftovers(workDir: string, logger: Logger): Promise<void> {
  const groups = new Set(await leftoverGroups(ownerArgument(workDir)));
  for (const group of groups) {
    logger.warn({ event: 'leftover_ended', group }, 'a sleap-nn of an earlier worker process was still running');
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // ESRCH: it has just ended.
    }
  }
  const jobs = join(workDir, 'jobs');
  for (const name of await readdir(jobs).catch(() => [])) {
    const { mtimeMs } = await stat(join(jobs, name));
    if (Date.now() - mtimeMs < RETAIN_JOBS_MS) continue;
    logger.info({ event: 'leftover_removed', job: name });
    await rm(join(jobs, name), { recursive: true, force: true });
  }
}

/** Process groups of which a process carries the argument; none where the system has no `/proc`. */
async function leftoverGroups(owner: string): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name));
  const groups = await Promise.all(pids.map((pid) => groupIfOurs(pid, owner).catch(() => undefined)));
  return groups.filter((group) => group !== undefined);
}

async function groupIfOurs(pid: string, owner: string): Promise<number | undefined> {
  const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  if (!words.includes(owner)) return undefined;
  // proc(5), /proc/pid/stat: the name in brackets may hold anything; behind it state, parent, process group.
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ') ?? [];
  const group = Number(fields[2]);
  return group > 1 ? group : undefined;
}
