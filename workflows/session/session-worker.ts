import {
  ActivityFailure,
  type ActivityOptions,
  ApplicationFailure,
  CancellationScope,
  log,
  proxyActivities,
} from '@temporalio/workflow';
import type { GpuSessionOpened, WorkerActivities } from '../../activities/contract.ts';
import type { JobInput } from '../../protocol/jobs/job.ts';
import { fromFailure } from '../../protocol/temporal/failures.ts';
import { CONTROL, COURTESY, END, SLEAP_NN, STAGING, STORAGE, TRANSFER } from './activity-options.ts';

/** The worker of an open session. Its methods are activities on the worker's own queue; their errors are ActivityFailures. */
export interface SessionWorker extends Omit<WorkerActivities, 'endGpuSession' | 'uploadLogs'> {
  /** The worker's name, for people. */
  readonly name: string;
  /** False if the job had a session before this one. */
  readonly isFirst: boolean;
  /** Runs `work`, which must not reject, beside the session's body. At the body's end it is cancelled and waited for. */
  meanwhile(work: () => Promise<void>): void;
}

/** The worker of an open session. Each activity carries a summary, which the Temporal UI shows in its timeline. */
export function sessionWorker(
  { worker: name, worker_queue }: GpuSessionOpened,
  session: Pick<SessionWorker, 'isFirst' | 'meanwhile'>,
): SessionWorker {
  const on = (options: ActivityOptions, summary: string) =>
    proxyActivities<WorkerActivities>({ ...options, taskQueue: worker_queue, summary });

  /** Runs sleap-nn. If that fails, the job's logs are uploaded before the session ends and the worker removes them. */
  async function orUploadLogs<T>(input: JobInput, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      // A worker that is lost, or a job that is cancelled, leaves no logs.
      if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) {
        const { uploadLogs } = on(COURTESY, 'upload the logs to S3');
        await CancellationScope.nonCancellable(() => uploadLogs({ input })).catch((failure: unknown) =>
          log.warn('the logs were not uploaded', { cause: fromFailure(failure).message }),
        );
      }
      throw error;
    }
  }

  return {
    ...session,
    name,
    receiveDataset: (args) => {
      const { files } = args.input.spec;
      const bytes = files.reduce((sum, file) => sum + file.size_bytes, 0);
      const summary = `receive ${count(files.length, 'file')}, ${megabytes(bytes)}, on ${name}`;
      return on(TRANSFER, summary).receiveDataset(args);
    },
    stageDataset: (args) => on(STAGING, 'copy the data to S3, for other workers').stageDataset(args),
    train: (args) => {
      const run = args.input.spec.runs[args.run_index];
      const summary = `train ${run?.name ?? args.run_index} (${run?.model_type ?? '?'}) on ${name}`;
      return orUploadLogs(args.input, () => on(SLEAP_NN, summary).train(args));
    },
    controlTraining: (args) => on(CONTROL, `tell ${name} to ${args.action}`).controlTraining(args),
    uploadModel: (args) =>
      on(STORAGE, `upload model ${args.trained.model_id} (${args.trained.model_type}) to S3`).uploadModel(args),
    returnResults: (args) => on(COURTESY, 'bring the results to the researcher').returnResults(args),
    ensureModels: (args) => on(STORAGE, `bring ${args.input.spec.models.join(', ')} to ${name}`).ensureModels(args),
    predict: (args) =>
      orUploadLogs(args.input, () => on(SLEAP_NN, `predict ${args.input.spec.input} on ${name}`).predict(args)),
    uploadResults: (args) => on(STORAGE, 'upload the results to S3').uploadResults(args),
  };
}

/** Ends a session on its worker; fails within about a minute if the worker does not answer. */
export function endSession(
  { session_id, worker, worker_queue }: GpuSessionOpened,
  jobId: string,
  keepFiles: boolean,
): Promise<void> {
  const summary = `free the GPU of ${worker}`;
  const { endGpuSession } = proxyActivities<WorkerActivities>({ ...END, taskQueue: worker_queue, summary });
  return endGpuSession({ session_id, job_id: jobId, ...(keepFiles ? { keep_files: true } : {}) });
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
