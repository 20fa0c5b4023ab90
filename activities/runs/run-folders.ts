import { join } from 'node:path';

/** Where a training run's things lie on the worker; absolute paths below `SLEAP_RTC_WORKER_DIR`. */
export interface RunFolders {
  /** What the researcher sent; sleap-nn runs in it, so that the labels' own relative names are what it records. */
  dataset: string;
  /** Attempts, checkpoints; nobody else's business. */
  work: string;
  /** The finished model folder. */
  model: string;
  log: string;
  /** Written when all else is: its presence means that the run is done. */
  result: string;
}

/** The folders of run number `runIndex`, named `run`, of a job. */
export function runFolders(workDir: string, jobId: string, run: string, runIndex: number): RunFolders {
  const job = join(workDir, 'jobs', jobId);
  const work = join(job, 'work', `run-${runIndex}`);
  return {
    dataset: join(job, 'dataset'),
    work,
    model: join(job, 'models', run),
    log: join(job, 'logs', `${run}.log`),
    result: join(work, 'result.json'),
  };
}
