import { ActivityFailure, ApplicationFailure, log } from '@temporalio/workflow';
import { fromFailure } from '../protocol/temporal/failures.ts';
import type { JobReport } from './job/job-report.ts';
import type { Job } from './job/run-job.ts';
import type { SessionWorker } from './session/session-worker.ts';

/** Brings the job's data to the worker, and from then on copies it to S3 beside the job's work. */
export async function receiveDataset(job: Job, worker: SessionWorker): Promise<void> {
  const { input, report } = job;
  report.enter('receiving', receivingDetail(report, worker));
  await worker.receiveDataset({ input, had_worker_before: !worker.isFirst });
  if (input.spec.stage && report.status.staging !== 'staged') worker.meanwhile(() => stageDataset(job, worker));
}

/** Once this is done, another worker does not need the researcher. If it fails, or the job ends first, nothing else fails. */
async function stageDataset({ input, report }: Job, worker: SessionWorker): Promise<void> {
  report.staging('staging');
  try {
    await worker.stageDataset({ input });
    report.staging('staged');
  } catch (failure) {
    // If the worker is lost, or the job ends first, the next worker may still be able to.
    const isRefused = failure instanceof ActivityFailure && failure.cause instanceof ApplicationFailure;
    report.staging(isRefused ? 'failed' : 'waiting');
    if (isRefused) log.warn('the data was not staged', { cause: fromFailure(failure).message });
  }
}

function receivingDetail({ status: { staging } }: JobReport, { name, isFirst }: SessionWorker): string {
  if (staging === 'staged') return `bringing the data from the room’s storage to ${name}`;
  if (isFirst) return `sending the data to ${name}`;
  const why =
    staging === 'off'
      ? 'the data stays on the worker that has it (--no-stage)'
      : 'the data was not in the room’s storage yet';
  return `sending the data to ${name}; ${why}, so the researcher’s computer is needed again`;
}
