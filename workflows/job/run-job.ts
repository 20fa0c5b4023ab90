import { CancellationScope, CancelledFailure, isCancellation, log, upsertMemo } from '@temporalio/workflow';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { JobInput, JobModel, JobSpec, JobStatus } from '../../protocol/jobs/job.ts';
import { fromFailure, toApplicationFailure } from '../../protocol/temporal/failures.ts';
import { KEEPS_FINISHED_WORK } from '../../protocol/temporal/memo.ts';
import { clearStorage } from './clear-storage.ts';
import { hasFinishedWork } from './finished-work.ts';
import { type JobReport, openReport } from './job-report.ts';
import { RunControl } from './run-control.ts';

/** A job while its workflow runs. */
export interface Job<Spec extends JobSpec = JobSpec> {
  readonly input: JobInput<Spec>;
  readonly report: JobReport;
  readonly control: RunControl;
}

/**
 * Runs a job's body, which returns the result as a sentence, and ends the job in the phase `done`, `failed` or `cancelled`.
 * @returns the final status if the body succeeded
 * @throws ApplicationFailure with the error's code as its type; CancelledFailure if Temporal was asked to cancel the workflow
 */
export async function runJob<Spec extends JobSpec>(
  input: JobInput<Spec>,
  body: (job: Job<Spec>) => Promise<string>,
): Promise<JobStatus> {
  const report = openReport(input);
  const control = new RunControl(input, report);
  try {
    report.enter('done', await body({ input, report, control }));
    await clearStorage(input);
    return report.status;
  } catch (thrown) {
    const isCancelled = CancellationScope.current().consideredCancelled;
    // A step that fails while it is being cancelled is not tried again: the job ends because it was cancelled, not because of that.
    const failure = isCancelled && !isCancellation(thrown) ? new CancelledFailure('The job was cancelled.') : thrown;
    const ending = (isCancelled ? control.ending : undefined) ?? fromFailure(failure);
    const { models, phase, worker } = report.status;
    const keepsWork = !isCancelled && hasFinishedWork(phase, ending);
    const error = namingModels(keepsWork ? namingPlace(ending, input.spec.job_id, worker) : ending, models);
    log.info('job ended without success', { code: error.code, phase, keepsWork });
    report.failed(isCancelled || error.code === 'JOB_CANCELLED' ? 'cancelled' : 'failed', error);
    if (keepsWork) upsertMemo({ [KEEPS_FINISHED_WORK]: true });
    else await clearStorage(input, report.unpublished);
    throw isCancelled && control.ending === undefined ? failure : toApplicationFailure(error);
  }
}

/** The same error, whose sentence also says where the finished work is: nothing of it was deleted. */
function namingPlace(error: SleapRtcError, jobId: string, worker: string | null): SleapRtcError {
  const place =
    worker === null ? 'in the room’s storage' : `on ${worker}, in its folder jobs/${jobId}, and in the room’s storage`;
  const { code, message, remedy } = error;
  return new SleapRtcError(code, `${message} What is finished was not deleted: it is ${place}.`, {
    remedy,
    cause: error,
  });
}

/** The same error, whose sentence also names the models that the job has published: they stay. */
function namingModels(error: SleapRtcError, models: JobModel[]): SleapRtcError {
  if (models.length === 0) return error;
  const names = models.map(({ id, run }) => `${id} (${run})`).join(', ');
  const { code, message, remedy } = error;
  return new SleapRtcError(code, `${message} Published before that: ${names}.`, { remedy, cause: error });
}
