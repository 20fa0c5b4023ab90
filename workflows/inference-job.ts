import { CancellationScope, isCancellation, log } from '@temporalio/workflow';
import { fromFailure } from '../protocol/failures.ts';
import type { InferenceSpec, JobInput, JobStatus } from '../protocol/job.ts';
import type { ManifestChange } from '../protocol/manifest.ts';
import { deliver } from './deliver.ts';
import { withGpuSession } from './gpu-session.ts';
import { type JobReport, reportJob } from './job-report.ts';
import { keepingLogs } from './keeping-logs.ts';
import type { Pod } from './pod.ts';
import { requestChanges } from './publish.ts';
import { receivingDetail, stagingBeside } from './staging.ts';

/**
 * An inference job: the pod gets the models that it lacks and the researcher's video or labels, predicts, while the data is staged for the
 * pod that may have to go on, and keeps the predictions in S3; then they are brought to the researcher, if they are still there.
 * @throws ApplicationFailure with a code of ours as its type; CancelledFailure
 */
export async function inferenceJob(input: JobInput<InferenceSpec>): Promise<JobStatus> {
  return reportJob(input, async (report) => {
    let again = false;
    return withGpuSession(input, report, async (pod) => {
      report.enter('receiving', receivingDetail(report, pod, again));
      // Models come from S3 and the data from the researcher: neither waits for the other.
      await bothOrNone(
        () => haveModels(input, pod),
        () => pod.receiveDataset({ input }),
      );
      again = true;
      return stagingBeside(input, report, pod, () => predictAndKeep(input, report, pod));
    });
  });
}

async function predictAndKeep(input: JobInput<InferenceSpec>, report: JobReport, pod: Pod): Promise<string> {
  report.enter('predicting', `predicting on ${input.spec.input}`);
  const { frames } = await keepingLogs(input, pod, () => pod.predict({ input }));

  report.enter('uploading', `keeping the predictions of ${frames} frames`);
  await pod.keepResults({ input });

  report.enter('returning', 'bringing the predictions to the researcher');
  return bringBack(input, pod);
}

/** Brings the models to the pod, and lets the manifest say that they are there. */
async function haveModels(input: JobInput<InferenceSpec>, pod: Pod): Promise<void> {
  const { job_id } = input.spec;
  // A worker of an older release does not say what it fetched.
  const { fetched = [] } = (await pod.ensureModels({ input })) ?? {};
  if (fetched.length === 0) return;
  const changes = fetched.map((model_id): ManifestChange => {
    const change_id = `${job_id}:${pod.worker}:${model_id}`;
    return { type: 'model_on_worker', change_id, model_id, worker: pod.worker };
  });
  try {
    await requestChanges(input.context.room_id, changes);
  } catch (failure) {
    if (isCancellation(failure)) throw failure;
    log.warn('the manifest was not told where the models are', { cause: fromFailure(failure).message });
  }
}

/** Tells the room and brings the predictions back. They are kept: nothing that goes wrong here fails the job. */
async function bringBack(input: JobInput<InferenceSpec>, pod: Pod): Promise<string> {
  const delivered = await deliver(input, pod, input.spec.models);
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
