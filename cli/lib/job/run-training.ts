import { randomBytes } from 'node:crypto';
import { describeFiles } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';
import { type PreparedTraining, prepareTraining, type TrainingInputs } from '../inputs/prepare-training.ts';
import { refuseKnownModels, type TrainingOptions, trainingSpec } from '../inputs/training-spec.ts';
import type { Display } from '../output/display.ts';
import { JobProgress } from '../output/job-progress.ts';
import { bytes, count } from '../output/words.ts';
import { partialFolder } from './collect-results.ts';
import { endInterrupted, type OnInterrupt, whenInterrupted } from './end-interrupted.ts';
import { JobFollower } from './follow-job.ts';
import { forgetJob, rememberJob } from './job-record.ts';
import { checkOutputFolder } from './place-folder.ts';
import { removePartial, type TrainingOutcome, trainingOutcome } from './training-outcome.ts';
import { whileAway } from './watch-job.ts';

/** What `train` was asked to do. */
export interface TrainingRequest {
  inputs: TrainingInputs;
  options: Omit<TrainingOptions, 'jobId'>;
  /** Folder below which each model gets its own. */
  output: string;
  /** How long to wait for a worker, in ms; undefined: for ever. */
  waitMs?: number | undefined;
  /** Leave as soon as the data is across. */
  detach: boolean;
  onInterrupt: OnInterrupt;
  /** Where jobs are remembered, so that they can be attached to. */
  configFolder: string;
}

/**
 * Trains: checks everything, submits, serves the data, follows, and brings the models back.
 * @throws SleapRtcError whose exit code is the command's
 */
export async function runTraining(api: RoomApi, request: TrainingRequest, display: Display): Promise<TrainingOutcome> {
  const started = Date.now();
  const jobId = randomBytes(8).toString('hex');
  const { output, configFolder } = request;
  const progress = new JobProgress(display);
  let prepared: PreparedTraining | undefined;
  let follower: JobFollower | undefined;
  let submitted = false;
  const state = () => ({ submitted, dataIsAcross: follower?.datasetIsAcross ?? false });
  const interrupts = whenInterrupted(request.onInterrupt, display, jobId, state);
  const { signal } = interrupts;
  try {
    prepared = await prepareTraining(request.inputs);
    await checkOutputFolder(output);
    for (const remark of prepared.remarks) display.say(remark);
    signal.throwIfAborted();
    const sources = await describeFiles(prepared.files, { signal });
    const entries = sources.map(({ entry }) => entry);
    const spec = trainingSpec(prepared, entries, { ...request.options, jobId });
    refuseKnownModels(prepared, spec, await api.manifest());
    const total = entries.reduce((sum, file) => sum + file.size_bytes, 0);
    const runs = spec.runs.map((run) => run.name).join(', ');
    display.say(`Checked ${spec.name}: ${count(entries.length, 'file')}, ${bytes(total)}; to train: ${runs}.`);

    follower = await JobFollower.enter({
      api,
      jobId,
      sources,
      requirements: spec.requirements,
      resultsFolder: partialFolder(output, jobId),
      progress,
      waitMs: request.waitMs,
      leaveWhenSent: request.detach,
      signal,
    });
    await rememberJob(configFolder, jobId, request.inputs, output);
    signal.throwIfAborted();
    // From here on the server may have the job, even if no answer comes.
    submitted = true;
    const onTrouble = (sentence: string | undefined): void => progress.trouble('api', sentence);
    const job = await whileAway(() => api.submitJob(spec, signal), { onTrouble, signal });
    display.say(`Job ${jobId} is submitted to ${api.connection.room}.`);
    if (job.temporal_ui_url !== null) display.say(`Its history: ${job.temporal_ui_url}`);

    const followed = await follower.follow();
    if (!followed.left) await forgetJob(configFolder, jobId);
    const context = { api, output, progress, temporalUiUrl: job.temporal_ui_url, started, signal };
    return await trainingOutcome(followed, context);
  } catch (error) {
    throw await endInterrupted(error, { api, jobId, progress, ...state() });
  } finally {
    await follower?.[Symbol.asyncDispose]();
    await prepared?.[Symbol.asyncDispose]();
    if (follower !== undefined) await removePartial(output, jobId);
    interrupts[Symbol.dispose]();
  }
}
