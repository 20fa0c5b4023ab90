import { randomUUID } from 'node:crypto';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { JobAction } from '../../../protocol/jobs/job-action.ts';
import type { JobView } from '../../../protocol/jobs/job-view.ts';
import type { RoomApi } from './api-client.ts';
import { pause } from './http.ts';

/** Pause between two requests for the same action, in ms. The server waits some seconds for each answer. */
const RETRY_MS = 1_000;

/**
 * Requests an action until the job accepts or refuses it. While no control worker runs, no request is answered. All requests have
 * the same id, so the action is carried out once even if several of them arrive.
 * @param options `onUnavailable` is called after each unanswered request; `forMs` limits the time for all of them
 * @throws SleapRtcError JOB_ACTION_REFUSED; CONTROL_UNAVAILABLE after `forMs`; the signal's reason
 */
export async function controlJob(
  api: RoomApi,
  jobId: string,
  action: JobAction,
  options: { onUnavailable?: (error: SleapRtcError) => void; forMs?: number; signal?: AbortSignal } = {},
): Promise<JobView> {
  const { onUnavailable = () => {}, forMs = Number.POSITIVE_INFINITY, signal } = options;
  const requestId = randomUUID();
  const endsAt = performance.now() + forMs;
  for (;;) {
    try {
      return await api.controlJob(jobId, action, { requestId, signal });
    } catch (error) {
      const isUnavailable = error instanceof SleapRtcError && error.code === 'CONTROL_UNAVAILABLE';
      if (!isUnavailable || performance.now() > endsAt) throw error;
      onUnavailable(error);
      await pause(RETRY_MS, signal);
    }
  }
}
