import { SleapRtcError } from '../../../protocol/errors.ts';
import { isFinal, type JobStatus } from '../../../protocol/jobs/job.ts';
import type { RoomApi } from '../api/api-client.ts';
import { controlJob } from '../api/control-job.ts';
import { pause } from '../api/http.ts';
import type { Display } from '../output/display.ts';
import type { JobProgress } from '../output/job-progress.ts';
import { askInterruptChoice, type DataState, Interrupted, type InterruptWatch, watchInterrupts } from './interrupts.ts';

/** Longest wait for the end of a cancelled job, in ms. A trainer has a grace period to stop. */
const CANCEL_TIMEOUT_MS = 20_000;
const CANCEL_POLL_MS = 5_000;

/** The value of `--on-interrupt`. Undefined means: ask on a terminal; without one, detach if a worker has the data, else cancel. */
export type OnInterrupt = 'ask' | 'detach' | 'cancel' | undefined;

/** Watches interrupts during a job. Asks or decides as `--on-interrupt` says. */
export function whenInterrupted(
  onInterrupt: OnInterrupt,
  display: Display,
  jobId: string,
  state: () => { submitted: boolean } & DataState,
): InterruptWatch {
  return watchInterrupts(async (personMayAnswer) => {
    const { submitted, ...data } = state();
    if (!submitted) return 'cancel';
    if (onInterrupt === 'detach' || onInterrupt === 'cancel') return onInterrupt;
    if (!personMayAnswer || !process.stdin.isTTY || !process.stderr.isTTY)
      return data.workerHasData ? 'detach' : 'cancel';
    display.pause();
    try {
      return await askInterruptChoice(jobId, data);
    } finally {
      display.resume();
    }
  });
}

/**
 * Carries out what the researcher chose when they interrupted.
 * @returns the error to end with: INTERRUPTED or JOB_CANCELLED, or the thrown error if it was not an interrupt
 */
export async function endInterrupted(
  thrown: unknown,
  job: { api: RoomApi; jobId: string; submitted: boolean; progress: JobProgress } & DataState,
): Promise<unknown> {
  if (!(thrown instanceof Interrupted)) return thrown;
  const { api, jobId, submitted, progress } = job;
  if (!submitted) {
    return new SleapRtcError('INTERRUPTED', 'Interrupted before the job was submitted.', { remedy: 'Run it again.' });
  }
  if (thrown.choice === 'detach') {
    return new SleapRtcError('INTERRUPTED', `Detached from job ${jobId}, which ${whatItDoes(job)}.`, {
      remedy: `Follow it again with \`sleap-rtc jobs attach ${jobId}\`, or cancel it with \`sleap-rtc jobs cancel ${jobId}\`.`,
    });
  }
  progress.note(`Cancelling job ${jobId}…`);
  return cancelAndWait(api, jobId);
}

/** Cancels a job and waits for its end. @returns the error that says how the job ended */
async function cancelAndWait(api: RoomApi, jobId: string): Promise<SleapRtcError> {
  try {
    let status = await cancelled(api, jobId);
    for (const end = Date.now() + CANCEL_TIMEOUT_MS; !isFinal(status.phase) && Date.now() < end; ) {
      status = await api.job(jobId, { waitMs: CANCEL_POLL_MS });
      if (!isFinal(status.phase)) await pause(100);
    }
    if (status.phase === 'cancelled')
      return new SleapRtcError('JOB_CANCELLED', `Job ${jobId} is cancelled, as you asked.`);
    if (isFinal(status.phase)) {
      return new SleapRtcError(
        'INTERRUPTED',
        `Job ${jobId} had ended (${status.phase}) before it could be cancelled.`,
        {
          remedy: `See \`sleap-rtc jobs show ${jobId}\`.`,
        },
      );
    }
    return new SleapRtcError('JOB_CANCELLED', `Job ${jobId} is being cancelled; its worker has not stopped yet.`);
  } catch (error) {
    if (error instanceof SleapRtcError && error.code === 'JOB_NOT_FOUND') {
      return new SleapRtcError('INTERRUPTED', 'Interrupted before the server had the job.', {
        remedy: 'Run it again.',
      });
    }
    const why = error instanceof Error ? error.message : String(error);
    return new SleapRtcError('INTERRUPTED', `Job ${jobId} could not be cancelled: ${why}`, {
      remedy: `Try again with \`sleap-rtc jobs cancel ${jobId}\`.`,
    });
  }
}

/** Cancels a job. @returns its status, which stays the same if it has ended already */
async function cancelled(api: RoomApi, jobId: string): Promise<JobStatus> {
  try {
    return await controlJob(api, jobId, 'cancel', { forMs: CANCEL_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof SleapRtcError) || error.code !== 'JOB_ACTION_REFUSED') throw error;
    return api.job(jobId);
  }
}

function whatItDoes({ workerHasData, dataIsStaged }: DataState): string {
  if (dataIsStaged) return 'continues';
  return workerHasData
    ? 'continues; its data is not in the room’s storage, so it waits for this computer if its worker is lost'
    : 'waits for its data';
}
