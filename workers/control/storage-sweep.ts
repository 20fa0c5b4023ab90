import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Logger } from 'pino';
import { type JobFate, sweepStorage } from '../../activities/cleanup/index.ts';
import { KEEPS_FINISHED_WORK } from '../../protocol/temporal/memo.ts';
import { jobWorkflowId } from '../../protocol/temporal/queues.ts';
import type { Bucket } from '../../storage/index.ts';

/** Time between two sweeps, in milliseconds. They seldom find something, and it costs storage only. */
const SWEEP_EVERY_MS = 6 * 60 * 60_000;

/** Sweeps the room bucket now, and every six hours until `signal` is aborted. A sweep that fails is logged; the next one tries again. */
export async function sweepRegularly(
  { bucket, temporal, logger }: { bucket: Bucket; temporal: Client; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const jobs = await sweepStorage({ bucket, fateOf: (room, jobId) => fateOf(temporal, room, jobId), signal });
      logger.info({ event: 'storage_swept', jobs });
    } catch (error) {
      if (!signal.aborted) logger.warn({ event: 'storage_not_swept', err: error });
    }
    await sleep(SWEEP_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function fateOf(temporal: Client, room: string, jobId: string): Promise<JobFate> {
  try {
    const { status, memo } = await temporal.workflow.getHandle(jobWorkflowId(room, jobId)).describe();
    if (status.name === 'RUNNING') return 'running';
    if (memo?.[KEEPS_FINISHED_WORK] === true) return 'kept';
    return status.name === 'COMPLETED' ? 'done' : 'failed';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'unknown';
    throw error;
  }
}
