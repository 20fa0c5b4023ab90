import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A job's folder stays for this time, in milliseconds, so that a job that returns to this disk goes on from it. That saves time only:
 * a job that is paused or waits for a worker has no folder here (its session's end removed it), and one that returns later gets its data
 * from the dataset store, S3 or the researcher, and its attempts from S3 (docs/decisions/013), at most two minutes of training older.
 */
const RETAIN_JOBS_MS = 24 * 60 * 60_000;
/** The same for a job with a finished model or predictions, which S3 may have refused: an admin must be able to save them. */
const RETAIN_FINISHED_MS = 14 * RETAIN_JOBS_MS;

/** Which folders of jobs to remove. */
interface Choice {
  /** The job that has the worker's session. */
  except?: string | undefined;
  /** True if the disk is full: all of them, except finished work. */
  all?: boolean;
}

/** Removes folders of jobs that have not come back to this worker. @returns the jobs' ids */
export async function removeLeftJobs(jobs: string, { except, all = false }: Choice = {}): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(jobs).catch(() => [])) {
    if (name === except || !(await isLeft(join(jobs, name), all))) continue;
    await rm(join(jobs, name), { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}

async function isLeft(job: string, all: boolean): Promise<boolean> {
  const { mtimeMs } = await stat(job);
  const isFinished = await hasFinishedWork(job);
  if (all && !isFinished) return true;
  return Date.now() - mtimeMs >= (isFinished ? RETAIN_FINISHED_MS : RETAIN_JOBS_MS);
}

async function hasFinishedWork(job: string): Promise<boolean> {
  const folders = await Promise.all(['models', 'results'].map((name) => readdir(join(job, name)).catch(() => [])));
  return folders.flat().length > 0;
}
