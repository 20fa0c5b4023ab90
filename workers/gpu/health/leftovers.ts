import { readdir, readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { jobsFolder } from '../../../activities/runs/job-folders.ts';
import { removeLeftJobs } from '../../../activities/runs/left-jobs.ts';
import { ownerArgument } from '../../../activities/sleap-nn/index.ts';

/**
 * Ends what an earlier process of this worker has left, before the worker takes jobs: sleap-nn processes, which occupy GPU memory,
 * and folders of jobs that have not returned for a day.
 *
 * Processes are recognized by their own command line, which names the worker's folder. A file with process ids could be lost, or
 * name a process that has the id now. sleap-nn ends with its worker by itself (`launcher.py`); this is for those that did not.
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
  for (const job of await removeLeftJobs(jobsFolder(workDir))) logger.info({ event: 'leftover_removed', job });
}

/** Groups of the processes that have the argument; none if the system has no `/proc`. */
async function leftoverGroups(owner: string): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name));
  const groups = await Promise.all(pids.map((pid) => groupIfOurs(pid, owner).catch(() => undefined)));
  return groups.filter((group) => group !== undefined);
}

async function groupIfOurs(pid: string, owner: string): Promise<number | undefined> {
  const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  if (!words.includes(owner)) return undefined;
  // proc(5), /proc/pid/stat: the name in brackets may be anything; after it come state, parent and process group.
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ') ?? [];
  const group = Number(fields[2]);
  return group > 1 ? group : undefined;
}
