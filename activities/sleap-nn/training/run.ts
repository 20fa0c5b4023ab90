import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { JobInput, TrainingRun, TrainingSpec } from '../../../protocol/jobs/job.ts';
import { datasetHash, modelId } from '../../../protocol/models/model-id.ts';
import type { TrainedModel } from '../../../protocol/stored/stored-objects.ts';
import { RunCheckpoints } from '../../checkpoints/index.ts';
import type { RunInput } from '../../contract.ts';
import { FileHashes } from '../../files/file-hashes.ts';
import { type Attempt, attemptSeconds, lineage, listAttempts } from '../../runs/attempts.ts';
import { collectModel } from '../../runs/collect-model.ts';
import { type RunFolders, runFolders } from '../../runs/job-folders.ts';
import { writeTrainedModel } from '../../runs/trained-model.ts';
import { bestValLoss } from '../../runs/training-log.ts';
import type { SleapNnDeps } from '../deps.ts';
import { TrainProgress } from './train-progress.ts';
import { type CheckedConfig, checkTrainingConfig } from './training-config.ts';

/** One run of a job, with what the steps of its training need. */
export interface Run {
  input: JobInput<TrainingSpec>;
  index: number;
  spec: TrainingRun;
  folders: RunFolders;
  checkpoints: RunCheckpoints;
  /** When Temporal's server scheduled this attempt of the activity: attempts are ordered by it. */
  term: number;
  hashes: FileHashes;
  logger: Logger;
  /** Aborted if the activity is cancelled, or if the worker is shut down. */
  signal: AbortSignal;
  /** Set when training begins. */
  progress?: TrainProgress;
}

/** The run that an activity names, and its folders. @throws SleapRtcError INTERNAL if the job has no such run */
export function runOf({ input, run_index }: RunInput, workDir: string): Pick<Run, 'index' | 'spec' | 'folders'> {
  const spec = input.spec.runs[run_index];
  if (spec === undefined) throw new SleapRtcError('INTERNAL', `The job has no run ${run_index}.`);
  return { index: run_index, spec, folders: runFolders(workDir, input.spec.job_id, spec.name, run_index) };
}

/** Puts together what the present activity's training needs. */
export function openRun(deps: SleapNnDeps, args: RunInput): Run {
  const { input } = args;
  const { index, spec, folders } = runOf(args, deps.workDir);
  const { job_id } = input.spec;
  const { cancellationSignal: signal, info } = Context.current();
  const term = info.currentAttemptScheduledTimestampMs;
  const logger = deps.logger.child({ job: job_id, run: spec.name });
  const hashes = new FileHashes();
  const detail = 'waiting for the room’s storage';
  const checkpoints = new RunCheckpoints({
    place: { bucket: deps.bucket, room: input.context.room_id, jobId: job_id, runIndex: index },
    run: spec.name,
    folders,
    term,
    everyMs: deps.checkpointEveryMs,
    sandbox: deps.sandbox,
    hashes,
    logger,
    signal,
    onWaiting: () => deps.publishProgress({ job_id, phase: 'training', detail }),
  });
  return { input, index, spec, folders, checkpoints, term, hashes, logger, signal };
}

/** Reads the researcher's config. @throws SleapRtcError CONFIG_INVALID */
export async function readConfig({ folders, spec }: Run): Promise<CheckedConfig> {
  const text = await readFile(join(folders.dataset, spec.config), 'utf8');
  return checkTrainingConfig(text, spec.config);
}

/** Reports to the room how far the run is from now on, beginning after `epochsDone` epochs. */
export function showProgress(
  run: Run,
  { maxEpochs, epochsDone }: { maxEpochs: number; epochsDone: number },
  publish: SleapNnDeps['publishProgress'],
): TrainProgress {
  const { job_id: jobId, runs } = run.input.spec;
  const place = { jobId, run: run.spec.name, runIndex: run.index, runCount: runs.length };
  const progress = new TrainProgress({ ...place, maxEpochs, epochsDone, publish });
  run.progress = progress;
  return progress;
}

/** Makes the model folder of a finished run, and describes it. */
export async function collectTrainedModel(run: Run, finished: Attempt): Promise<TrainedModel> {
  const { folders, spec, input } = run;
  run.progress?.report('collecting the model');
  const checked = await readConfig(run);
  const attempts = lineage(await listAttempts(folders.work, spec.name), finished);
  const { files, log } = await collectModel(attempts, folders.model, run.hashes);
  const seconds = await Promise.all(attempts.map(attemptSeconds));
  const labels = new Set([...spec.train_labels, ...spec.val_labels]);
  const dataset_hash = datasetHash(input.spec.files.filter(({ path }) => labels.has(path)).map(({ sha256 }) => sha256));
  const epochs = (log.epochs.at(-1)?.epoch ?? -1) + 1;
  const trained: TrainedModel = {
    run: spec.name,
    run_index: run.index,
    model_id: modelId(checked.config, dataset_hash, input.spec.retrain),
    model_type: checked.modelType,
    dataset_hash,
    epochs,
    final_loss: bestValLoss(log),
    training_duration_sec: Math.round(seconds.reduce((sum, s) => sum + s, 0) * 10) / 10,
    trained_at: finished.finished_at ?? new Date().toISOString(),
    stopped_early: epochs < checked.maxEpochs,
    files,
  };
  await writeTrainedModel(folders, trained);
  return trained;
}
