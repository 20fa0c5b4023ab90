import { resolve } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { isFinal, type JobStatus } from '../../../protocol/jobs/job.ts';
import { describeFiles, type SourceFile } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';
import type { OnInterrupt } from '../follow/end-interrupted.ts';
import type { Followed } from '../follow/follow-job.ts';
import { prepareInference } from '../inputs/prepare-inference.ts';
import { prepareTraining } from '../inputs/prepare-training.ts';
import type { Display } from '../output/display.ts';
import type { JobOutcome } from '../results/job-outcome.ts';
import { takeOverLeftovers } from '../results/partial-folder.ts';
import { checkOutputFolder } from '../results/place-folder.ts';
import { openHashCache } from '../settings/hash-cache.ts';
import { ActiveJob } from './active-job.ts';
import { type RememberedJob, recallJob } from './remembered-job.ts';

/** What `jobs attach` was asked to do. */
export interface AttachRequest {
  jobId: string;
  /** Folder for the results; undefined: the folder given at the submission, else the default of the job's kind. */
  output: string | undefined;
  onInterrupt: OnInterrupt;
  configFolder: string;
}

/**
 * Follows a job that was submitted before until it ends. If it has ended already, only fetches its results. If this machine
 * submitted it, serves its data again if a worker still needs it.
 */
export async function attachJob(
  api: RoomApi,
  { jobId, output: wanted, onInterrupt, configFolder }: AttachRequest,
  display: Display,
): Promise<JobOutcome> {
  const status = await api.job(jobId);
  const remembered = await recallJob(configFolder, jobId);
  const output = resolve(wanted ?? remembered?.output ?? (status.kind === 'training' ? 'models' : 'predictions'));
  await checkOutputFolder(output);
  await takeOverLeftovers(output, jobId);
  const job = new ActiveJob(
    // A command that only follows a job must not cancel it when it ends.
    {
      api,
      jobId,
      output,
      onInterrupt: onInterrupt ?? (process.stdin.isTTY ? 'ask' : 'detach'),
      configFolder,
      submitted: true,
    },
    display,
  );
  try {
    const isOver = isFinal(status.phase);
    const followed = isOver ? { status, left: false, received: false } : await follow(job, status, remembered);
    return await job.finish(followed, status.temporal_ui_url);
  } catch (error) {
    throw await job.error(error);
  } finally {
    await job.close();
  }
}

async function follow(job: ActiveJob, status: JobStatus, remembered: RememberedJob | undefined): Promise<Followed> {
  // The data is offered even if a worker has it: if that worker is lost, the next one asks for it again.
  const sources = status.staging === 'staged' ? undefined : await findData(job, remembered);
  const follower = await job.enterRoom({ sources, requirements: {}, stage: status.staging !== 'off', detach: false });
  return follower.follow();
}

/** Prepares the job's data once more. The worker compares every byte with what the submission promised. */
async function findData(job: ActiveJob, remembered: RememberedJob | undefined): Promise<SourceFile[] | undefined> {
  const { progress, signal } = job;
  if (remembered === undefined) {
    progress.note('The job’s data is not on this machine. The machine that submitted the job serves it.');
    return undefined;
  }
  try {
    const prepared =
      remembered.kind === 'training' ? prepareTraining(remembered.inputs) : prepareInference(remembered.input);
    const { files } = job.own(await prepared);
    const needed = files.filter(({ path }) => remembered.files.includes(path));
    return await describeFiles(needed, { signal, cache: await openHashCache() });
  } catch (error) {
    if (!(error instanceof SleapRtcError) || signal.aborted) throw error;
    progress.note(`This machine can no longer serve the job’s data: ${error.message}`);
    return undefined;
  }
}
