import { randomBytes } from 'node:crypto';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { type FileEntry, totalBytes } from '../../../protocol/files.ts';
import type { JobSpec } from '../../../protocol/jobs/job.ts';
import type { Manifest } from '../../../protocol/models/manifest.ts';
import { describeFiles } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';
import { retryWhileUnavailable } from '../api/retry-while-unavailable.ts';
import type { OnInterrupt } from '../follow/end-interrupted.ts';
import type { PreparedFiles } from '../inputs/prepared-files.ts';
import type { Display } from '../output/display.ts';
import { bytes, count } from '../output/words.ts';
import type { JobOutcome } from '../results/job-outcome.ts';
import { takeOverLeftovers } from '../results/partial-folder.ts';
import { checkOutputFolder } from '../results/place-folder.ts';
import { openHashCache } from '../settings/hash-cache.ts';
import { ActiveJob } from './active-job.ts';
import { forgetJob, type RememberedInputs, rememberJob } from './remembered-job.ts';

/** How to run a job of any kind. */
export interface RunOptions {
  /** Folder for the results. */
  output: string;
  /** Longest wait for a worker, in ms; undefined: no limit. */
  waitMs?: number | undefined;
  /** True: the command ends as soon as the job can continue without this computer. */
  detach: boolean;
  onInterrupt: OnInterrupt;
  /** Folder that remembers the submitted jobs, so that `jobs attach` can serve their data again. */
  configFolder: string;
}

/** What a kind of job adds. */
export interface JobPlan<Prepared extends PreparedFiles> {
  /** Checks and collects the files. */
  prepare: () => Promise<Prepared>;
  /**
   * Makes the spec, or throws if something is wrong. It asks for the manifest last, so that mistakes that can be found without the room
   * are reported even if the server is unavailable.
   */
  spec: (
    jobId: string,
    known: { prepared: Prepared; entries: FileEntry[]; manifest: () => Promise<Manifest> },
  ) => Promise<JobSpec>;
  /** What `jobs attach` needs to serve the files again. */
  remember: RememberedInputs;
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
  const jobId = randomBytes(8).toString('hex');
  const { configFolder, detach } = options;
  const job = new ActiveJob({ ...options, api, jobId, submitted: false }, display);
  try {
    const { spec, sources } = await checkJob(job, plan, options, display);
    const { requirements, stage } = spec;
    const follower = await job.enterRoom({ sources, requirements, waitMs: options.waitMs, stage, detach });
    for (const sentence of await follower.askWorkers(spec)) display.say(sentence);
    const files = spec.files.map(({ path }) => path);
    await rememberJob(configFolder, jobId, { ...plan.remember, output: options.output, files });
    const temporalUiUrl = await submit(job, spec, detach, display);
    return await job.finish(await follower.follow(), temporalUiUrl);
  } catch (error) {
    const isRefused = error instanceof SleapRtcError && error.exitCode === 2;
    if (!job.submitted || isRefused) await forgetJob(configFolder, jobId);
    throw await job.error(error);
  } finally {
    await job.close();
  }
}

/** Checks everything that can be checked before the job is submitted. @throws SleapRtcError naming the problem */
async function checkJob<Prepared extends PreparedFiles>(
  job: ActiveJob,
  plan: JobPlan<Prepared>,
  options: RunOptions,
  display: Display,
) {
  const { api, signal } = job;
  const prepared = job.own(await plan.prepare());
  await checkOutputFolder(options.output);
  await takeOverLeftovers(options.output, job.id);
  for (const remark of prepared.remarks) display.say(remark);
  signal.throwIfAborted();
  const described = await describeFiles(prepared.files, { signal, cache: await openHashCache() });
  const entries = described.map(({ entry }) => entry);
  const manifest = async () => {
    // The first request: it reports a wrong address at once, since the server answers it even if S3 is unavailable.
    await api.room();
    return retryWhileUnavailable(() => api.manifest(), job.retry);
  };
  const spec = await plan.spec(job.id, { prepared, entries, manifest });
  const { files } = spec;
  display.say(
    `Checked ${spec.name}: ${count(files.length, 'file')}, ${bytes(totalBytes(files))}; ${describeWork(spec)}.`,
  );
  return { spec, sources: described.filter(({ entry }) => files.some(({ path }) => path === entry.path)) };
}

/** Submits the job. @returns the address of its history */
async function submit(job: ActiveJob, spec: JobSpec, detach: boolean, display: Display): Promise<string | null> {
  const { api, signal } = job;
  signal.throwIfAborted();
  // From here on the server may have the job, even if its answer is lost.
  job.submitted = true;
  const { temporal_ui_url } = await retryWhileUnavailable(() => api.submitJob(spec, signal), job.retry);
  display.say(`Job ${job.id} is submitted to ${api.connection.room}.`);
  if (!spec.stage) {
    const after = detach ? ' `jobs attach` sends it again.' : '';
    display.say(
      `Its data stays on the worker (--no-stage): if the worker is lost, the job waits for this computer.${after}`,
    );
  }
  if (temporal_ui_url !== null) display.say(`Its history: ${temporal_ui_url}`);
  return temporal_ui_url;
}

function describeWork(spec: JobSpec): string {
  if (spec.kind === 'inference') return `to predict with ${spec.models.join(' and ')}`;
  return `to train: ${spec.runs.map(({ name }) => name).join(', ')}`;
}
