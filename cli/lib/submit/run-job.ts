import { randomBytes } from 'node:crypto';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { FileEntry } from '../../../protocol/files.ts';
import type { JobSpec } from '../../../protocol/job.ts';
import type { Manifest } from '../../../protocol/manifest.ts';
import { describeFiles } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';
import { retryOptions, retryWhileUnavailable } from '../api/retry-while-unavailable.ts';
import { endInterrupted, type OnInterrupt, whenInterrupted } from '../follow/end-interrupted.ts';
import { JobFollower } from '../follow/follow-job.ts';
import type { PreparedFiles } from '../inputs/prepared-files.ts';
import type { Display } from '../output/display.ts';
import { JobProgress } from '../output/job-progress.ts';
import { bytes, count } from '../output/words.ts';
import type { JobOutcome } from '../results/job-outcome.ts';
import { jobOutcome } from '../results/job-outcome.ts';
import { partialFolder, removePartial } from '../results/partial-folder.ts';
import { checkOutputFolder } from '../results/place-folder.ts';
import { openHashCache } from '../settings/hash-cache.ts';
import { forgetJob, type JobRecord, rememberJob } from './remembered-job.ts';

/** How a job is to be run, whatever it does. */
export interface RunOptions {
  /** Folder for what the job makes. */
  output: string;
  /** How long to wait for a worker, in ms; undefined: for ever. */
  waitMs?: number | undefined;
  /** Leave as soon as the job can do without this computer. */
  detach: boolean;
  onInterrupt: OnInterrupt;
  /** Where jobs are remembered, so that they can be attached to. */
  configFolder: string;
}

/** What a kind of job adds. */
export interface JobPlan<Prepared extends PreparedFiles> {
  /** Checks and collects the files. */
  prepare: () => Promise<Prepared>;
  /** Makes the spec, or refuses: what is wrong without the room is told before the server is asked what the room has. */
  spec: (
    jobId: string,
    known: { prepared: Prepared; entries: FileEntry[]; manifest: () => Promise<Manifest> },
  ) => Promise<JobSpec>;
  /** What `jobs attach` needs to serve the files again. */
  record: JobRecord;
}

/**
 * Runs a job from its checks to its results on disk: checks everything, enters the room, submits, serves the data, follows.
 * @throws SleapRtcError whose exit code is the command's
 */
export async function runJob<Prepared extends PreparedFiles>(
  api: RoomApi,
  plan: JobPlan<Prepared>,
  options: RunOptions,
  display: Display,
): Promise<JobOutcome> {
  const started = Date.now();
  const jobId = randomBytes(8).toString('hex');
  const { output, configFolder } = options;
  const progress = new JobProgress(display);
  let prepared: Prepared | undefined;
  let follower: JobFollower | undefined;
  let submitted = false;
  const state = () => ({
    submitted,
    dataIsAcross: follower?.datasetIsAcross ?? false,
    dataIsStaged: follower?.datasetIsStaged ?? false,
  });
  const interrupts = whenInterrupted(options.onInterrupt, display, jobId, state);
  const { signal } = interrupts;
  try {
    prepared = await plan.prepare();
    await checkOutputFolder(output);
    for (const remark of prepared.remarks) display.say(remark);
    signal.throwIfAborted();
    const cache = await openHashCache();
    const sources = await describeFiles(prepared.files, { signal, cache });
    const entries = sources.map(({ entry }) => entry);
    const patience = retryOptions(progress, signal);
    const manifest = async () => {
      // The first that is asked of the server, so that a wrong address is said at once: it answers also where S3 is away.
      await api.room();
      return retryWhileUnavailable(() => api.manifest(), patience);
    };
    const spec = await plan.spec(jobId, { prepared, entries, manifest });
    const total = entries.reduce((sum, file) => sum + file.size_bytes, 0);
    display.say(`Checked ${spec.name}: ${count(entries.length, 'file')}, ${bytes(total)}; ${work(spec)}.`);

    const following = {
      api,
      jobId,
      sources,
      cache,
      requirements: spec.requirements,
      resultsFolder: partialFolder(output, jobId),
      progress,
      waitMs: options.waitMs,
      stage: spec.stage,
      detach: options.detach,
      signal,
    };
    follower = await retryWhileUnavailable(() => JobFollower.enter(following), patience);
    for (const sentence of await follower.askWorkers(spec)) display.say(sentence);
    await rememberJob(configFolder, jobId, plan.record);
    signal.throwIfAborted();
    // From here on the server may have the job, even if no answer comes.
    submitted = true;
    const job = await retryWhileUnavailable(() => api.submitJob(spec, signal), patience);
    display.say(`Job ${jobId} is submitted to ${api.connection.room}.`);
    if (!spec.stage) {
      const after = options.detach ? ' `jobs attach` sends it again.' : '';
      display.say(
        `Its data stays on the worker (--no-stage): if that is lost, the job waits for this computer.${after}`,
      );
    }
    if (job.temporal_ui_url !== null) display.say(`Its history: ${job.temporal_ui_url}`);

    const followed = await follower.follow();
    if (!followed.left) await forgetJob(configFolder, jobId);
    const context = { api, output, progress, temporalUiUrl: job.temporal_ui_url, started, signal };
    return await jobOutcome(followed, context);
  } catch (error) {
    if (!submitted || (error instanceof SleapRtcError && error.exitCode === 2)) await forgetJob(configFolder, jobId);
    throw await endInterrupted(error, { api, jobId, progress, ...state() });
  } finally {
    await follower?.[Symbol.asyncDispose]();
    await prepared?.[Symbol.asyncDispose]();
    if (follower !== undefined) await removePartial(output, jobId);
    interrupts[Symbol.dispose]();
  }
}

function work(spec: JobSpec): string {
  if (spec.kind === 'inference') return `to predict with ${spec.models.join(' and ')}`;
  return `to train: ${spec.runs.map(({ name }) => name).join(', ')}`;
}
