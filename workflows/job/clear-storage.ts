import { CancellationScope, log, proxyLocalActivities } from '@temporalio/workflow';
import type { ControlActivities } from '../../activities/contract.ts';
import type { JobInput } from '../../protocol/jobs/job.ts';
import { fromFailure } from '../../protocol/temporal/failures.ts';

/**
 * Removes what the job needed in S3 only while it ran. The job has its final phase by then, so nobody waits if S3 is
 * unavailable; `sweepStorage` removes later what is still there after ten minutes.
 * @param unpublished models whose upload has begun and that will not be published
 */
export async function clearStorage({ spec, context }: JobInput, unpublished: string[] = []): Promise<void> {
  // A local one: it takes milliseconds, and the history one event in place of six.
  const { clearJobStorage } = proxyLocalActivities<ControlActivities>({
    summary: 'remove checkpoints and staged data from S3',
    startToCloseTimeout: '30s',
    scheduleToCloseTimeout: '10 minutes',
    retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '60s' },
    // Longer waits are timers: while a local activity waits by itself, the history grows every few seconds.
    localRetryThreshold: '2s',
  });
  const { job_id, files } = spec;
  const dataset = !spec.stage ? [] : files.map(({ sha256 }) => sha256);
  const rest = { room_id: context.room_id, job_id, dataset, ...(unpublished.length > 0 ? { unpublished } : {}) };
  await CancellationScope.nonCancellable(() => clearJobStorage(rest)).catch((failure: unknown) =>
    log.warn('storage not cleared', { cause: fromFailure(failure).message }),
  );
}
