import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { GpuSessionOpened, WorkerActivities } from '../activities/contract.ts';

/** The worker that a session holds. Its methods are activities on the worker's own queue; their errors are ActivityFailures. */
export interface SessionWorker extends Omit<WorkerActivities, 'endGpuSession'> {
  /** The worker's name, for people. */
  readonly worker: string;
}

/**
 * A worker that lives takes its next activity within milliseconds, and within some 10 s after Temporal was away. That a worker has
 * died is noticed sooner, by its session's heartbeat.
 */
const WORKER_ANSWERS_WITHIN = '30s';
/** A dead worker's session need not be ended. */
const WORKER_ENDS_WITHIN = '10s';
/** A few missed beats of 1 s. The activity has failed this long after its process died. */
export const HEARTBEAT_WITHIN = '6s';
/** No run is known to be longer; a bound so that nothing is awaited for ever. */
const LONGEST_RUN = '14 days';

const onWorker = {
  scheduleToStartTimeout: WORKER_ANSWERS_WITHIN,
  heartbeatTimeout: HEARTBEAT_WITHIN,
  startToCloseTimeout: LONGEST_RUN,
  // Ending a session must find nothing of the job still running, so a cancelled activity is waited for.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} satisfies ActivityOptions;

/** Over the researcher's own network: every attempt goes on where the last one broke off, so many are cheap. */
const TRANSFER: ActivityOptions = {
  ...onWorker,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '20s', maximumAttempts: 40 },
};
/** Only infrastructure trouble is retried; a run resumes from its own checkpoint. */
const SLEAP_NN: ActivityOptions = {
  ...onWorker,
  retry: {
    initialInterval: '1s',
    backoffCoefficient: 2,
    maximumInterval: '30s',
    maximumAttempts: 4,
    // Another worker may do what this one cannot.
    nonRetryableErrorTypes: ['GPU_BROKEN'],
  },
};
/** To and from S3, which may be away for some minutes. */
const STORAGE: ActivityOptions = {
  ...onWorker,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s', maximumAttempts: 20 },
};
/** Kind to have; the job's end does not depend on it. */
const COURTESY: ActivityOptions = {
  ...onWorker,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumAttempts: 3 },
};
/** Said in milliseconds where the worker lives; where it does not, nobody waits for it. */
const STOP: ActivityOptions = {
  scheduleToStartTimeout: WORKER_ANSWERS_WITHIN,
  startToCloseTimeout: '10s',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500ms', maximumAttempts: 3 },
};
/** Tried for about an hour; nothing waits for it but the researcher's leave to go. */
const STAGING: ActivityOptions = {
  ...onWorker,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '60s', maximumAttempts: 60 },
};
/** Ending waits for the job's processes to stop, which takes seconds. Its heartbeat tells where the answer was lost. */
const END: ActivityOptions = {
  scheduleToStartTimeout: WORKER_ENDS_WITHIN,
  heartbeatTimeout: HEARTBEAT_WITHIN,
  startToCloseTimeout: '60s',
  retry: { initialInterval: '500ms', maximumAttempts: 3 },
};

/** The worker behind an opened session. Each activity carries a summary, which the Temporal UI shows in its timeline. */
export function sessionWorker({ worker, worker_queue }: GpuSessionOpened): SessionWorker {
  const on = (options: ActivityOptions, summary: string) =>
    proxyActivities<WorkerActivities>({ ...options, taskQueue: worker_queue, summary });
  return {
    worker,
    receiveDataset: (args) => {
      const { files } = args.input.spec;
      const bytes = files.reduce((sum, file) => sum + file.size_bytes, 0);
      return on(TRANSFER, `receive ${count(files.length, 'file')}, ${megabytes(bytes)}, on ${worker}`).receiveDataset(
        args,
      );
    },
    stageDataset: (args) => on(STAGING, 'copy the data to S3, for other workers').stageDataset(args),
    train: (args) => {
      const run = args.input.spec.runs[args.run_index];
      return on(SLEAP_NN, `train ${run?.name ?? args.run_index} (${run?.model_type ?? '?'}) on ${worker}`).train(args);
    },
    controlTraining: (args) => on(STOP, `tell ${worker} to ${args.action}`).controlTraining(args),
    uploadModel: (args) =>
      on(STORAGE, `upload model ${args.trained.model_id} (${args.trained.model_type}) to S3`).uploadModel(args),
    returnResults: (args) => on(COURTESY, 'bring the results to the researcher').returnResults(args),
    ensureModels: (args) => on(STORAGE, `have ${args.input.spec.models.join(', ')} on ${worker}`).ensureModels(args),
    predict: (args) => on(SLEAP_NN, `predict ${args.input.spec.input} on ${worker}`).predict(args),
    uploadResults: (args) => on(STORAGE, 'keep the results in S3').uploadResults(args),
    uploadLogs: (args) => on(COURTESY, 'keep the logs in S3').uploadLogs(args),
  };
}

/** Ends a session on its worker; fails within about a minute where the worker does not answer. */
export function endSession({ session_id, worker, worker_queue }: GpuSessionOpened, jobId: string): Promise<void> {
  const summary = `free the GPU of ${worker}`;
  const { endGpuSession } = proxyActivities<WorkerActivities>({ ...END, taskQueue: worker_queue, summary });
  return endGpuSession({ session_id, job_id: jobId });
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
