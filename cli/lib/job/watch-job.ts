import type { Waiting } from '../../../protocol/api.ts';
import { EXIT, SleapRtcError } from '../../../protocol/errors.ts';
import { isFinal, type JobStatus } from '../../../protocol/job.ts';
import type { RoomApi } from '../api/api-client.ts';
import { pause } from '../api/http.ts';
import type { JobProgress } from '../output/job-progress.ts';

/** How long one long poll waits for the job's end, in ms. Short enough that phases show even if the worker's messages are lost. */
const POLL_MS = 10_000;
/** Pause between polls while the server, or what is behind it, is away. */
const AWAY_PAUSE_MS = 2_000;
/** For so long a server that is away is waited for; a deployment or a reboot takes minutes. */
const AWAY_LIMIT_MS = 30 * 60_000;

/** Who is told of what is away, and for how long they wait. */
export interface RetryWhileUnavailableOptions {
  /** What is away, as a sentence; undefined when it is back. */
  onTrouble: (sentence: string | undefined) => void;
  signal: AbortSignal;
}

/** The patience of a command whose researcher sees what is away. */
export function retryOptions(progress: JobProgress, signal: AbortSignal): RetryWhileUnavailableOptions {
  return { onTrouble: (sentence) => progress.trouble('api', sentence), signal };
}

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

/**
 * Does something that may be repeated, for as long as only infrastructure stands in the way.
 * @throws SleapRtcError the first error that waiting cannot cure, or the last one after half an hour
 */
export async function retryWhileUnavailable<T>(
  action: () => Promise<T>,
  { onTrouble, signal }: RetryWhileUnavailableOptions,
): Promise<T> {
  let since: number | undefined;
  for (;;) {
    try {
      const result = await action();
      onTrouble(undefined);
      return result;
    } catch (thrown) {
      signal.throwIfAborted();
      since ??= Date.now();
      const away = thrown instanceof SleapRtcError && thrown.exitCode === EXIT.unreachable;
      if (!away || Date.now() - since > AWAY_LIMIT_MS) throw thrown;
      onTrouble(`${thrown.message} Waiting for it to come back; nothing is lost.`);
      await pause(AWAY_PAUSE_MS, signal);
    }
  }
}
