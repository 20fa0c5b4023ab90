import { randomBytes } from 'node:crypto';
import { isErrorCode, SleapRtcError } from '../../../protocol/errors.ts';
import { isFinal, type JobModel, type JobPhase, type JobStatus } from '../../../protocol/job.ts';
import { describeFiles } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';
import { prepareTraining, type TrainingInputs } from '../inputs/prepare-training.ts';
import { refuseKnownModels, type TrainingOptions, trainingSpec } from '../inputs/training-spec.ts';
import type { Display } from '../output/display.ts';
import { JobProgress } from '../output/job-progress.ts';
import { bytes, count } from '../output/words.ts';
import { type CollectedModel, collectModels, partialFolder } from './collect-results.ts';
import { endInterrupted, type OnInterrupt, whenInterrupted } from './end-interrupted.ts';
import { JobFollower } from './follow-job.ts';
import { checkOutputFolder } from './place-folder.ts';
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
}

/** How a training ended for this process. */
export interface TrainingOutcome {
  job_id: string;
  phase: JobPhase;
  worker: string | null;
  models: CollectedModel[];
  temporal_ui_url: string | null;
  /** Seconds in all, and in each phase. */
  seconds: Record<string, number>;
}

/** A job's id: 16 letters and digits, so that two never meet. */
export function newJobId(): string {
  return randomBytes(8).toString('hex');
}

/**
 * Trains: checks everything, submits, serves the data, follows, and brings the models back.
 * @throws SleapRtcError whose exit code is the command's
 */
export async function runTraining(api: RoomApi, request: TrainingRequest, display: Display): Promise<TrainingOutcome> {
  const started = Date.now();
  const jobId = newJobId();
  const progress = new JobProgress(display);
  let follower: JobFollower | undefined;
  let submitted = false;
  const interrupts = whenInterrupted(request.onInterrupt, display, jobId, () => ({
    submitted,
    dataIsAcross: follower?.datasetIsAcross ?? false,
  }));
  const { signal } = interrupts;
  const prepared = await prepareTraining(request.inputs);
  try {
    await checkOutputFolder(request.output);
    for (const remark of prepared.remarks) display.say(remark);
    signal.throwIfAborted();
    const sources = await describeFiles(prepared.files, { signal });
    const spec = trainingSpec(
      prepared,
      sources.map(({ entry }) => entry),
      { ...request.options, jobId },
    );
    refuseKnownModels(prepared, spec, await api.manifest());
    const total = spec.files.reduce((sum, file) => sum + file.size_bytes, 0);
    const runs = spec.runs.map((run) => run.name).join(', ');
    display.say(`Checked ${spec.name}: ${count(spec.files.length, 'file')}, ${bytes(total)}; to train: ${runs}.`);

    follower = await JobFollower.enter({
      api,
      jobId,
      sources,
      requirements: spec.requirements,
      resultsFolder: partialFolder(request.output, jobId),
      progress,
      waitMs: request.waitMs,
      leaveWhenSent: request.detach,
      signal,
    });
    // From here on the server may have the job, even if no answer comes.
    submitted = true;
    const onTrouble = (sentence: string | undefined): void => progress.trouble(sentence);
    const job = await whileAway(() => api.submitJob(spec, signal), { onTrouble, signal });
    display.say(`Job ${jobId} is submitted to ${api.connection.room}.`);
    if (job.temporal_ui_url !== null) display.say(`Its history: ${job.temporal_ui_url}`);

    const followed = await follower.follow();
    if (!followed.left) throwUnlessDone(followed.status);
    const models = followed.left
      ? []
      : await collectModels({
          api,
          jobId,
          models: followed.status.models,
          output: request.output,
          received: followed.received,
          onDownload: () => progress.note('Fetching the model from the room’s storage.'),
          onProgress: (transfer) => progress.transfer(transfer),
          signal,
        });
    return {
      job_id: jobId,
      phase: followed.status.phase,
      worker: followed.status.worker,
      models,
      temporal_ui_url: job.temporal_ui_url,
      seconds: { total: Math.round((Date.now() - started) / 100) / 10, ...progress.seconds() },
    };
  } catch (error) {
    throw await endInterrupted(error, {
      api,
      jobId,
      submitted,
      progress,
      dataIsAcross: follower?.datasetIsAcross ?? false,
    });
  } finally {
    await follower?.[Symbol.asyncDispose]();
    await prepared[Symbol.asyncDispose]();
    interrupts[Symbol.dispose]();
  }
}

/** A job that ended in another way than success is this command's error, with the job's own code. */
export function throwUnlessDone(status: JobStatus): void {
  if (status.phase === 'done' || !isFinal(status.phase)) return;
  if (status.phase === 'cancelled') throw new SleapRtcError('JOB_CANCELLED', 'The job was cancelled.');
  const { code, message, remedy } = status.error ?? { code: 'INTERNAL', message: 'The job failed.', remedy: '' };
  throw jobError(code, message, remedy, status.models);
}

function jobError(code: string, message: string, remedy: string, models: readonly JobModel[]): SleapRtcError {
  const published = models.length === 0 ? '' : ` Published before that: ${models.map(({ id }) => id).join(', ')}.`;
  return isErrorCode(code)
    ? new SleapRtcError(code, `${message}${published}`, { remedy })
    : new SleapRtcError('INTERNAL', `${message}${published} (${code})`, { remedy });
}
