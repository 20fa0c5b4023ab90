import { CancellationScope, isCancellation, log } from '@temporalio/workflow';
import type { InferenceSpec, JobInput, JobStatus } from '../protocol/jobs/job.ts';
import type { ManifestChange } from '../protocol/models/manifest.ts';
import { fromFailure } from '../protocol/temporal/failures.ts';
import { receiveDataset } from './dataset.ts';
import { deliver } from './deliver.ts';
import { type Job, runJob } from './job/run-job.ts';
import { requestChanges } from './registry/publish.ts';
import type { SessionWorker } from './session/session-worker.ts';
import { withGpuSession } from './session/with-gpu-session.ts';

/**
 * An inference job: the worker gets the models that it lacks and the researcher's video or labels, predicts, and uploads the
 * predictions to S3. Then the researcher gets them, if they are online.
 * @throws ApplicationFailure with a code of ours as its type; CancelledFailure
 */
export function inferenceJob(input: JobInput<InferenceSpec>): Promise<JobStatus> {
  return runJob(input, predict);
}

async function predict(job: Job<InferenceSpec>): Promise<string> {
  const { input, report } = job;
  return withGpuSession(job, async (worker) => {
    // Models come from S3 and the data from the researcher: neither waits for the other.
    await bothOrNone(
      () => ensureModels(input, worker),
      () => receiveDataset(job, worker),
    );

    report.enter('predicting', `predicting on ${input.spec.input}`);
    const { frames } = await worker.predict({ input });

    report.enter('uploading', `uploading the predictions of ${frames} frames`);
    await worker.uploadResults({ input });

    report.enter('returning', 'bringing the predictions to the researcher');
    // They are in S3: nothing that goes wrong here fails the job.
    const isDelivered = await deliver(input, worker, input.spec.models);
    return isDelivered
      ? 'predicted and brought back'
      : `predicted; fetch with \`sleap-rtc jobs get ${input.spec.job_id}\``;
  });
}

/** Brings the models to the worker, and records in the manifest that they are there. */
async function ensureModels(input: JobInput<InferenceSpec>, worker: SessionWorker): Promise<void> {
  const { fetched } = await worker.ensureModels({ input });
  if (fetched.length === 0) return;
  const changes = fetched.map((model_id): ManifestChange => {
    const change_id = `${input.spec.job_id}:${worker.name}:${model_id}`;
    return { type: 'model_on_worker', change_id, model_id, worker: worker.name };
  });
  try {
    await requestChanges(input.context.room_id, changes);
  } catch (failure) {
    if (isCancellation(failure)) throw failure;
    log.warn('the manifest does not say where the models are', { cause: fromFailure(failure).message });
  }
}

/** Waits for both. If one fails, the other is cancelled and waited for, so that nothing of the job is left running. */
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
