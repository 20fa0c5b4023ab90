import type { Checkpoints, TrainedModel } from '../../../protocol/stored/stored-objects.ts';
import type { TrainInput } from '../../contract.ts';
import { heartbeatWith } from '../../heartbeat-details.ts';
import { type Attempt, finishAttempt, listAttempts } from '../../runs/attempts.ts';
import { findResumePoint } from '../../runs/inspect-checkpoint.ts';
import { readTrainedModel, writeTrainedModel } from '../../runs/trained-model.ts';
import type { SleapNnDeps } from '../deps.ts';
import { fetchAllWeights } from '../weights/pretrained-weights.ts';
import type { EarlyStops } from './early-stops.ts';
import { collectTrainedModel, openRun, type Run, readConfig, showProgress } from './run.ts';
import { AttemptRunner } from './run-attempt.ts';

/**
 * Trains one run of a job with sleap-nn. A retry finds a run that has finished; after an interruption it resumes from the last
 * checkpoint on this worker, or of the worker before. If the activity is cancelled, sleap-nn has ended when it returns.
 * @param pausing work folders of runs that are cancelled only to resume later
 * @throws SleapRtcError CONFIG_INVALID, CONFIG_REFUSED, LABELS_CORRUPT, GPU_OUT_OF_MEMORY, DISK_FULL, TRAINING_FAILED;
 *   GPU_BROKEN (retryable elsewhere); WORKER_LOST (retryable) if another worker has the run; TRAINER_KILLED (retryable) if
 *   sleap-nn was ended from outside
 */
export function createTrain(deps: SleapNnDeps, stops: EarlyStops, pausing: Set<string>) {
  const runner = new AttemptRunner(deps, stops, pausing);

  return async function train(args: TrainInput): Promise<TrainedModel> {
    const run = openRun(deps, args);
    heartbeatWith(() => run.progress?.latest);
    await runner.endOrphaned(run);
    const here = await readTrainedModel(run.folders);
    if (here !== undefined) return here;
    const remote = args.may_have_remote_checkpoint ? await claimRemote(run) : undefined;
    const fetched = remote && (await fetchTrainedModel(run, remote));
    if (fetched !== undefined) return fetched;
    const finished = await trainToEnd(run, remote);
    const trained = await collectTrainedModel(run, finished);
    await run.checkpoints.backUpModel(trained);
    return trained;
  };

  /** Resumes the run as far as it is, and trains it to its end. @returns its finished attempt */
  async function trainToEnd(run: Run, remote: Checkpoints | undefined): Promise<Attempt> {
    const { folders, spec, logger, signal, checkpoints } = run;
    const local = await listAttempts(folders.work, spec.name);
    const attempts = remote === undefined ? local : await checkpoints.restoreAttempts(remote, local);
    const finished = attempts.findLast(hasFinished);
    if (finished !== undefined) return finished;
    const config = await readConfig(run);
    const named = deps.sandbox.isolates ? config.weightsToFetch() : [];
    const weights = await fetchAllWeights(named, { workDir: deps.workDir, signal, code: 'CONFIG_INVALID' });
    const resume = await findResumePoint(attempts, { sandbox: deps.sandbox, logger, signal });
    const epochsDone = resume?.epochsDone ?? 0;
    const progress = showProgress(run, { maxEpochs: config.maxEpochs, epochsDone }, deps.publishProgress);
    // sleap-nn cannot resume a run that was killed during evaluation, all epochs done: its model is complete. So is the model of a
    // run that the researcher has stopped.
    const isComplete = epochsDone >= config.maxEpochs || (await stops.isWanted(folders.work));
    if (resume !== undefined && isComplete) return finishAttempt(resume.attempt);
    return runner.run(run, { config, resume, weights, progress });
  }
}

/**
 * Takes the run over from the worker before. Returns undefined if this worker has finished it, and only its model is missing.
 * @throws SleapRtcError WORKER_LOST if a later attempt has the run
 */
async function claimRemote({ folders, spec, checkpoints }: Run): Promise<Checkpoints | undefined> {
  const local = await listAttempts(folders.work, spec.name);
  return local.some(hasFinished) ? undefined : checkpoints.claim();
}

/** Downloads the model that the worker before has finished. Returns undefined if there is none. */
async function fetchTrainedModel(run: Run, remote: Checkpoints): Promise<TrainedModel | undefined> {
  const trained = await run.checkpoints.restoreModel(remote);
  if (trained !== undefined) await writeTrainedModel(run.folders, trained);
  return trained;
}

function hasFinished({ finished_at }: Attempt): boolean {
  return finished_at !== null;
}
