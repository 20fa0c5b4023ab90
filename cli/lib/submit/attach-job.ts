import { resolve } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { isFinal } from '../../../protocol/job.ts';
import { describeFiles, type HashCache, type SourceFile } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';
import { retryOptions, retryWhileUnavailable } from '../api/retry-while-unavailable.ts';
import { endInterrupted, type OnInterrupt, whenInterrupted } from '../follow/end-interrupted.ts';
import { type Followed, JobFollower } from '../follow/follow-job.ts';
import { prepareInference } from '../inputs/prepare-inference.ts';
import { prepareTraining } from '../inputs/prepare-training.ts';
import type { PreparedFiles } from '../inputs/prepared-files.ts';
import type { Display } from '../output/display.ts';
import { JobProgress } from '../output/job-progress.ts';
import { type JobOutcome, jobOutcome } from '../results/job-outcome.ts';
import { partialFolder, removePartial } from '../results/partial-folder.ts';
import { checkOutputFolder } from '../results/place-folder.ts';
import { openHashCache } from '../settings/hash-cache.ts';
import { forgetJob, type JobRecord, recallJob } from './remembered-job.ts';

/** What `jobs attach` was asked to do. */
export interface AttachRequest {
  jobId: string;
  /** Folder for the results; undefined: where the job's command was told to put them, else its default. */
  output: string | undefined;
  onInterrupt: OnInterrupt;
  configFolder: string;
}

/**
 * Follows a job that was submitted before, to its end; one that has ended already only has its results fetched. Where this
 * machine submitted it, its data is served again if it is still needed.
 */
export async function attachJob(
  api: RoomApi,
  { jobId, output: wanted, onInterrupt, configFolder }: AttachRequest,
  display: Display,
): Promise<JobOutcome> {
  const started = Date.now();
  const { status, temporal_ui_url: temporalUiUrl } = await api.job(jobId);
  const record = await recallJob(configFolder, jobId);
  const output = resolve(wanted ?? record?.output ?? (status.kind === 'training' ? 'models' : 'predictions'));
  await checkOutputFolder(output);
  const progress = new JobProgress(display);
  let data: Data | undefined;
  let follower: JobFollower | undefined;
  const state = () => ({
    submitted: true,
    dataIsAcross: follower?.datasetIsAcross ?? false,
    dataIsStaged: follower?.datasetIsStaged ?? false,
  });
  // Who only looks on does not cancel the job by looking away.
  const interrupts = whenInterrupted(onInterrupt ?? (process.stdin.isTTY ? 'ask' : 'detach'), display, jobId, state);
  const { signal } = interrupts;
  try {
    let followed: Followed = { status, left: false, received: false };
    if (!isFinal(status.phase)) {
      const cache = await openHashCache();
      // Only words: a server of an older release, or storage that is away, keeps nobody from following.
      const { runs } = status.kind === 'training' ? await api.curve(jobId).catch(() => ({ runs: [] })) : { runs: [] };
      progress.curve(runs);
      // Also where a worker has the data: it may be lost, and the next one asks for the data again.
      data = status.staging === 'staged' ? undefined : await dataOf(record, { cache, signal }, progress);
      const following = {
        api,
        jobId,
        sources: data?.sources,
        cache,
        requirements: {},
        resultsFolder: partialFolder(output, jobId),
        progress,
        stage: status.staging !== 'off',
        detach: false,
        signal,
      };
      follower = await retryWhileUnavailable(() => JobFollower.enter(following), retryOptions(progress, signal));
      followed = await follower.follow();
    }
    await forgetJob(configFolder, jobId);
    return await jobOutcome(followed, { api, output, progress, temporalUiUrl, started, signal });
  } catch (error) {
    throw await endInterrupted(error, { api, jobId, progress, ...state() });
  } finally {
    await follower?.[Symbol.asyncDispose]();
    await data?.prepared[Symbol.asyncDispose]();
    await removePartial(output, jobId);
    interrupts[Symbol.dispose]();
  }
}

interface Data {
  prepared: PreparedFiles;
  sources: SourceFile[];
}

/** The job's data, looked at again. The worker compares every byte with what was promised at the submit. */
async function dataOf(
  record: JobRecord | undefined,
  { cache, signal }: { cache: HashCache; signal: AbortSignal },
  progress: JobProgress,
): Promise<Data | undefined> {
  if (record === undefined) {
    progress.note('The job’s data is not on this machine: it is served where the job was submitted.');
    return undefined;
  }
  let prepared: PreparedFiles | undefined;
  try {
    prepared = await (record.kind === 'training' ? prepareTraining(record.inputs) : prepareInference(record.input));
    return { prepared, sources: await describeFiles(prepared.files, { signal, cache }) };
  } catch (error) {
    await prepared?.[Symbol.asyncDispose]();
    if (!(error instanceof SleapRtcError)) throw error;
    progress.note(`The job’s data cannot be served from here any more: ${error.message}`);
    return undefined;
  }
}
