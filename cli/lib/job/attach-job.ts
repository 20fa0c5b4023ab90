import { isFinal } from '../../../protocol/job.ts';
import type { RoomApi } from '../api/api-client.ts';
import type { Display } from '../output/display.ts';
import { JobProgress } from '../output/job-progress.ts';
import { collectModels, partialFolder } from './collect-results.ts';
import { endInterrupted, type OnInterrupt, whenInterrupted } from './end-interrupted.ts';
import { type Followed, JobFollower } from './follow-job.ts';
import { checkOutputFolder } from './place-folder.ts';
import { type TrainingOutcome, throwUnlessDone } from './run-training.ts';

/** What `jobs attach` was asked to do. */
export interface AttachRequest {
  jobId: string;
  output: string;
  onInterrupt: OnInterrupt;
}

/** Follows a job that somebody submitted before, to its end; one that has ended already only has its models fetched. */
export async function attachJob(
  api: RoomApi,
  { jobId, output, onInterrupt }: AttachRequest,
  display: Display,
): Promise<{ name: string; outcome: TrainingOutcome }> {
  const started = Date.now();
  await checkOutputFolder(output);
  const { status, temporal_ui_url } = await api.job(jobId);
  const progress = new JobProgress(display);
  let follower: JobFollower | undefined;
  const state = (): { submitted: boolean; dataIsAcross: boolean } => ({
    submitted: true,
    dataIsAcross: follower?.datasetIsAcross ?? false,
  });
  // Somebody who only looks on does not cancel the job by looking away.
  const interrupts = whenInterrupted(onInterrupt ?? (process.stdin.isTTY ? 'ask' : 'detach'), display, jobId, state);
  const { signal } = interrupts;
  try {
    let followed: Followed = { status, left: false, received: false };
    if (!isFinal(status.phase)) {
      follower = await JobFollower.enter({
        api,
        jobId,
        sources: undefined,
        requirements: {},
        resultsFolder: partialFolder(output, jobId),
        progress,
        leaveWhenSent: false,
        signal,
      });
      followed = await follower.follow();
    }
    throwUnlessDone(followed.status);
    const { models, worker, phase, name } = followed.status;
    const collected = await collectModels({
      api,
      jobId,
      models,
      output,
      received: followed.received,
      onDownload: () => progress.note('Fetching the model from the room’s storage.'),
      onProgress: (transfer) => progress.transfer(transfer),
      signal,
    });
    const seconds = { total: Math.round((Date.now() - started) / 100) / 10, ...progress.seconds() };
    return { name, outcome: { job_id: jobId, phase, worker, models: collected, temporal_ui_url, seconds } };
  } catch (error) {
    throw await endInterrupted(error, { api, jobId, progress, ...state() });
  } finally {
    await follower?.[Symbol.asyncDispose]();
    interrupts[Symbol.dispose]();
  }
}
