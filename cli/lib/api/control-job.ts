import { randomUUID } from 'node:crypto';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { JobAction } from '../../../protocol/job-action.ts';
import type { JobView } from '../../../protocol/job-view.ts';
import type { RoomApi } from './api-client.ts';
import { pause } from './http.ts';

/** Between two requests for the same action, in ms; the server itself waits some seconds for an answer. */
const RETRY_MS = 1_000;

/**
 * Asks a job for an action until the job has accepted or refused it: while no control worker runs, nobody can do either. All
 * requests have the same id, so the action is carried out once, however many of them arrive.
 * @param options `onUnavailable` is called each time nobody has answered; `forMs` limits how long it is asked; `signal` ends it
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
