/** Timeouts and retries of the activities on a worker. */
import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';

/**
 * A worker that is alive takes its next activity within milliseconds, and within some 10 s after Temporal was unavailable. A
 * worker's death is noticed sooner, by its session's heartbeat.
 */
const START_TIMEOUT = '30s';
/** A dead worker's session need not be ended. */
const END_START_TIMEOUT = '10s';
/** A few missed beats of 1 s. The activity has failed this long after its process died. */
export const HEARTBEAT_TIMEOUT = '6s';
/** No run is known to be longer; a bound so that nothing is waited for forever. */
const LONGEST_RUN = '14 days';

const onWorker = {
  scheduleToStartTimeout: START_TIMEOUT,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  startToCloseTimeout: LONGEST_RUN,
  // When a session is ended, nothing of the job may still run, so a cancelled activity is waited for.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} satisfies ActivityOptions;

/**
 * Over the researcher's own network: each attempt goes on where the last one broke off, so many are cheap. While no data comes, the
 * activity itself tries again, for a minute; then the job must not hold the GPU any longer.
 */
export const TRANSFER: ActivityOptions = {
  ...onWorker,
  retry: {
    initialInterval: '500ms',
    backoffCoefficient: 2,
    maximumInterval: '20s',
    maximumAttempts: 40,
    nonRetryableErrorTypes: ['RESEARCHER_AWAY', 'PEER_UNREACHABLE', 'PEER_GONE', 'TRANSFER_FAILED'],
  },
};
/** Only infrastructure trouble is retried; a run goes on from its own checkpoint. */
export const SLEAP_NN: ActivityOptions = {
  ...onWorker,
  retry: {
    initialInterval: '1s',
    backoffCoefficient: 2,
    maximumInterval: '30s',
    maximumAttempts: 4,
    // Another worker may do what this one cannot.
    nonRetryableErrorTypes: ['GPU_BROKEN', 'GPU_MEMORY_TAKEN'],
  },
};
/**
 * To and from S3. While it is unavailable, the activity itself waits, for as long as that lasts. What is retried here is, for example,
 * that another job seems to upload the same model: its claim may outlive it by ten minutes.
 */
export const STORAGE: ActivityOptions = {
  ...onWorker,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s', maximumAttempts: 100 },
};
/** Useful, but the job's end does not depend on it. */
export const COURTESY: ActivityOptions = {
  ...onWorker,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumAttempts: 3 },
};
/** Takes milliseconds if the worker is alive; if it is not, nobody waits for it. */
export const CONTROL: ActivityOptions = {
  scheduleToStartTimeout: START_TIMEOUT,
  startToCloseTimeout: '10s',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { initialInterval: '500ms', maximumAttempts: 3 },
};
/** Tried for about an hour; the job does not wait for it. */
export const STAGING: ActivityOptions = {
  ...onWorker,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '60s', maximumAttempts: 60 },
};
/** Waits for the job's processes to stop, which takes seconds. The heartbeat shows if the answer was lost. */
export const END: ActivityOptions = {
  scheduleToStartTimeout: END_START_TIMEOUT,
  heartbeatTimeout: HEARTBEAT_TIMEOUT,
  startToCloseTimeout: '60s',
  retry: { initialInterval: '500ms', maximumAttempts: 3 },
};
