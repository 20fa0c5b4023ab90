import type { Waiting } from '../../../protocol/api.ts';
import { isFinal, type JobStatus } from '../../../protocol/job.ts';
import type { RoomApi } from '../api/api-client.ts';
import { type RetryWhileUnavailableOptions, retryWhileUnavailable } from '../api/retry-while-unavailable.ts';

/** How long one long poll waits for the job's end, in ms. Short enough that phases show even if the worker's messages are lost. */
const POLL_MS = 10_000;
/** Who is told of what while a job is watched. */
export interface JobWatcher extends RetryWhileUnavailableOptions {
  onStatus: (status: JobStatus, waiting: Waiting | undefined) => void;
}

/**
 * Watches a job until it has ended. A server, Temporal or network that is away is reported and waited for.
 * @returns the final status, whatever it is
 * @throws SleapRtcError JOB_NOT_FOUND, TOKEN_REFUSED and such; SERVER_UNREACHABLE and such after half an hour; the signal's reason
 */
export async function watchJob(api: RoomApi, jobId: string, watcher: JobWatcher): Promise<JobStatus> {
  let waitMs = 0;
  for (;;) {
    const { status, waiting } = await retryWhileUnavailable(
      () => api.job(jobId, { waitMs, signal: watcher.signal }),
      watcher,
    );
    watcher.onStatus(status, waiting);
    if (isFinal(status.phase)) return status;
    waitMs = POLL_MS;
  }
}
