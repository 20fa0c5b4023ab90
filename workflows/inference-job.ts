import { CancellationScope, isCancellation, log } from '@temporalio/workflow';
import { fromFailure } from '../protocol/failures.ts';
import type { InferenceSpec, JobInput, JobStatus } from '../protocol/job.ts';
import type { ManifestChange } from '../protocol/manifest.ts';
import { deliver } from './deliver.ts';
import { withGpuSession } from './gpu-session.ts';
import type { JobReport } from './job-report.ts';
import { requestChanges } from './publish.ts';
import { runJob } from './run-job.ts';
import type { SessionWorker } from './session-worker.ts';
import { receivingDetail, stagingBeside } from './staging.ts';
import { uploadingLogs } from './uploading-logs.ts';

/**
 * An inference job: the worker gets the models that it lacks and the researcher's video or labels, predicts, while the data is staged for the
 * worker that may have to go on, and keeps the predictions in S3; then they are brought to the researcher, if they are still there.
 * @throws ApplicationFailure with a code of ours as its type; CancelledFailure
 */
export async function inferenceJob(input: JobInput<InferenceSpec>): Promise<JobStatus> {
  return runJob(input, async (job) => {
    const { report } = job;
    let again = false;
    return withGpuSession(job, async (worker) => {
      report.enter('receiving', receivingDetail(report, worker, again));
      // Models come from S3 and the data from the researcher: neither waits for the other.
      await bothOrNone(
        () => haveModels(input, worker),
        () => worker.receiveDataset({ input }),
      );
      again = true;
      return stagingBeside(input, report, worker, () => predictAndKeep(input, report, worker));
    });
  });
}

async function predictAndKeep(
  input: JobInput<InferenceSpec>,
  report: JobReport,
  worker: SessionWorker,
): Promise<string> {
  report.enter('predicting', `predicting on ${input.spec.input}`);
  const { frames } = await uploadingLogs(input, worker, () => worker.predict({ input }));

  report.enter('uploading', `keeping the predictions of ${frames} frames`);
  await worker.uploadResults({ input });

  report.enter('returning', 'bringing the predictions to the researcher');
  return bringBack(input, worker);
}

/** Brings the models to the worker, and lets the manifest say that they are there. */
async function haveModels(input: JobInput<InferenceSpec>, worker: SessionWorker): Promise<void> {
  const { job_id } = input.spec;
  const { fetched } = await worker.ensureModels({ input });
  if (fetched.length === 0) return;
  const changes = fetched.map((model_id): ManifestChange => {
    const change_id = `${job_id}:${worker.worker}:${model_id}`;
    return { type: 'model_on_worker', change_id, model_id, worker: worker.worker };
  });
  try {
    await requestChanges(input.context.room_id, changes);
  } catch (failure) {
    if (isCancellation(failure)) throw failure;
    log.warn('the manifest was not told where the models are', { cause: fromFailure(failure).message });
  }
}

/** Tells the room and brings the predictions back. They are kept: nothing that goes wrong here fails the job. */
async function bringBack(input: JobInput<InferenceSpec>, worker: SessionWorker): Promise<string> {
  const delivered = await deliver(input, worker, input.spec.models);
  return delivered ? 'predicted and brought back' : 'predicted; to be fetched from the room';
}

/** Waits for both; where one fails, the other is cancelled and waited for, so that nothing of the job is left running. */
async function bothOrNone(...parts: (() => Promise<void>)[]): Promise<void> {
  const scope = new CancellationScope({ cancellable: true });
  await scope.run(async () => {
    const running = parts.map((part) => part());
    try {
      await Promise.all(running);
    } catch (failure) {
      scope.cancel();
      await Promise.allSettled(running);
      throw failure;
    }
  });
}
