import { join } from 'node:path';

/** The folders of a job on its worker; absolute paths below `SLEAP_RTC_WORKER_DIR`. */
export interface JobFolders {
  /** All of the following are in it. */
  root: string;
  /** What the researcher sent. sleap-nn runs in it, so that it records the labels' own relative names. */
  dataset: string;
  /** What is being fetched from S3 for `dataset`. */
  staged: string;
  /** Attempts and checkpoints; used by the activities of `sleap-nn/` only. */
  work: string;
  /** One folder for each finished model. */
  models: string;
  /** The models that an inference uses, by id: other names of files of the model cache. */
  usedModels: string;
  /** Finished predictions. */
  results: string;
  logs: string;
}

/** The folder below which all jobs of a worker have theirs. */
export function jobsFolder(workDir: string): string {
  return join(workDir, 'jobs');
}

/** The folder of the models that a worker has cached, each named by its id. */
export function modelCacheFolder(workDir: string): string {
  return join(workDir, 'models');
}

export function jobFolders(workDir: string, jobId: string): JobFolders {
  const root = join(jobsFolder(workDir), jobId);
  return {
    root,
    dataset: join(root, 'dataset'),
    staged: join(root, 'staged'),
    work: join(root, 'work'),
    models: join(root, 'models'),
    usedModels: join(root, 'used-models'),
    results: join(root, 'results'),
    logs: join(root, 'logs'),
  };
}

/** The folders of one run of a training. */
export interface RunFolders {
  dataset: string;
  /** Attempts and checkpoints. */
  work: string;
  /** The finished model. */
  model: string;
  log: string;
  /** Written last: its presence means that the run has finished. */
  result: string;
}

/** The folders of run number `runIndex`, named `run`, of a job. */
export function runFolders(workDir: string, jobId: string, run: string, runIndex: number): RunFolders {
  const job = jobFolders(workDir, jobId);
  const work = join(job.work, `run-${runIndex}`);
  return {
    dataset: job.dataset,
    work,
    model: join(job.models, run),
    log: join(job.logs, `${run}.log`),
    result: join(work, 'result.json'),
  };
}
