import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import writeFileAtomic from 'write-file-atomic';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { datasetHash, modelId } from '../../../protocol/model-id.ts';
import type { CheckpointUploader } from '../../checkpoints/index.ts';
import type { TrainInput } from '../../contract.ts';
import { heartbeatWith } from '../../heartbeat-details.ts';
import { type Attempt, attemptSeconds, finishAttempt, lineage, listAttempts, newAttempt } from '../../runs/attempts.ts';
import { collectModel } from '../../runs/collect-model.ts';
import { beginLog, readLogTail } from '../../runs/log-file.ts';
import { findResumePoint, type ResumePoint } from '../../runs/resume-point.ts';
import { type RunFolders, runFolders } from '../../runs/run-folders.ts';
import { StoredTrainedModel, type TrainedModel } from '../../runs/trained-model.ts';
import { bestValLoss, readTrainingLog } from '../../runs/training-log.ts';
import type { SleapNnDeps } from '../deps.ts';
import { judgeRun } from '../failures/judge-run.ts';
import { untilExit } from '../process/until-exit.ts';
import { type RunningSleapNn, startSleapNn } from '../process/warm-trainer.ts';
import { type TrainingEvent, ZmqBridge } from '../process/zmq-bridge.ts';
import type { EarlyStops } from './early-stops.ts';
import { keepWithinMs, RemoteCheckpoints, type RunOfJob, termOf } from './remote-checkpoints.ts';
import { TrainProgress } from './train-progress.ts';
import { type CheckedConfig, checkTrainingConfig } from './training-config.ts';

/** A worker that is told to leave has some tens of seconds, and other things to do in them; in milliseconds. */
const HAND_OVER_MS = 15_000;

interface Run extends RunOfJob {
  checked: CheckedConfig;
}

/**
 * Trains one run of a job with sleap-nn. Done again, it finds its finished run; after a break it goes on from its last
 * checkpoint on this worker, or on the worker before. Cancelled, it ends sleap-nn before it returns.
 * @param pausing work folders of runs that are cancelled only to go on later
 * @throws SleapRtcError CONFIG_INVALID, CONFIG_REFUSED, LABELS_CORRUPT, GPU_OUT_OF_MEMORY, DISK_FULL, TRAINING_FAILED;
 *   GPU_BROKEN (retryable elsewhere); WORKER_LOST (retryable) where another worker has the run; TRAINER_KILLED (retryable) where
 *   sleap-nn was ended from outside
 */
export function createTrain(deps: SleapNnDeps, stops: EarlyStops, pausing: Set<string>) {
  const remoteCheckpoints = new RemoteCheckpoints(deps);
  /** Runs under way in this process, by work folder: an attempt that Temporal has given up on must end before the next begins. */
  const underWay = new Map<string, RunningSleapNn>();

  return async function train(args: TrainInput): Promise<TrainedModel> {
    const context = Context.current();
    const { spec } = args.input;
    const run = spec.runs[args.run_index];
    if (run === undefined) throw new SleapRtcError('INTERNAL', `The job has no run ${args.run_index}.`);
    const folders = runFolders(deps.workDir, spec.job_id, run.name, args.run_index);
    const logger = deps.logger.child({ job: spec.job_id, run: run.name });

    let progress: TrainProgress | undefined;
    heartbeatWith(() => progress?.latest);
    // Of an earlier pause.
    pausing.delete(folders.work);
    await underWay.get(folders.work)?.terminate(0);
    const done = await readResult(folders);
    if (done !== undefined) return done;

    const text = await readFile(join(folders.dataset, run.config), 'utf8');
    const checked = checkTrainingConfig(text, run.config);
    const job: Run = { input: args.input, index: args.run_index, spec: run, folders, checked };
    const local = await listAttempts(folders.work, run.name);
    const isNew = args.again && local.every(({ finished_at }) => finished_at === null);
    const kept = isNew ? await remoteCheckpoints.claim(job) : undefined;
    const model = await remoteCheckpoints.model(job, kept);
    if (model !== undefined) {
      await mkdir(folders.work, { recursive: true });
      await writeFileAtomic(folders.result, JSON.stringify(model));
      return model;
    }
    const attempts = await remoteCheckpoints.attempts(job, kept, local, logger);
    let finished = attempts.findLast((attempt) => attempt.finished_at !== null);
    if (finished === undefined) {
      const resume = await findResumePoint(attempts, {
        python: deps.python,
        logger,
        signal: context.cancellationSignal,
      });
      progress = new TrainProgress({
        jobId: spec.job_id,
        run: run.name,
        runIndex: args.run_index,
        runCount: spec.runs.length,
        maxEpochs: checked.maxEpochs,
        epochsDone: resume?.epochsDone ?? 0,
        publish: deps.publishProgress,
      });
      // All epochs done, killed while evaluating: sleap-nn cannot resume that, and the model is complete. So it is where the
      // researcher had the run stopped.
      if (resume !== undefined && (resume.epochsDone >= checked.maxEpochs || (await stops.isWanted(folders.work))))
        finished = await finishAttempt(resume.attempt);
      else finished = await runAttempt(job, resume, progress, logger);
    }
    progress?.say('collecting the model');
    const trained = await finish(job, finished);
    await remoteCheckpoints.backUpModel(job, trained, logger);
    return trained;
  };

  async function runAttempt(
    run: Run,
    resume: ResumePoint | undefined,
    progress: TrainProgress,
    logger: Logger,
  ): Promise<Attempt> {
    const context = Context.current();
    const { folders, spec } = run;
    const startedMs = performance.now();
    const attempt = await newAttempt(folders.work, spec.name, resume?.attempt, termOf());
    const tmpDir = join(attempt.folder, 'tmp');
    await mkdir(tmpDir);
    let onStopEvent = (_event: TrainingEvent) => {};
    let keeper: CheckpointUploader | undefined;
    const bridge = await ZmqBridge.open((event) => {
      progress.onEvent(event);
      onStopEvent(event);
      // The next run's process is warmed up while this one is evaluated and stored: before, the CPU is the training's.
      const runsFollow = run.index + 1 < run.input.spec.runs.length;
      if (event.event === 'train_end' && runsFollow) deps.warmTrainer?.ensureSpare();
      if (event.event === 'train_end') keeper?.trained();
    });
    const stopping = await stops.follow(folders.work, {
      stop: () => bridge.stop(),
      say: (detail) => progress.say(detail),
    });
    onStopEvent = stopping.onEvent;
    const superseded = new AbortController();
    keeper = await remoteCheckpoints.keeper(run, attempt, { logger, onSuperseded: () => superseded.abort() });
    try {
      const config = join(attempt.folder, 'config.yaml');
      const fromDataset = (path: string) => relative(folders.dataset, path);
      await writeFileAtomic(
        config,
        run.checked.forWorker({
          trainLabels: spec.train_labels,
          valLabels: spec.val_labels,
          ckptDir: fromDataset(attempt.folder),
          runName: spec.name,
          publishPort: bridge.publishPort,
          controllerPort: bridge.controllerPort,
          resumeFrom: resume ? fromDataset(resume.checkpoint) : null,
        }),
      );
      const goesOn = resume ? `, going on after epoch ${resume.epochsDone}` : '';
      const logStart = await beginLog(
        folders.log,
        `--- ${attempt.started_at} sleap-nn train, attempt ${attempt.number}${goesOn}`,
      );
      progress.say(resume ? `loading sleap-nn to go on after epoch ${resume.epochsDone}` : 'loading sleap-nn');
      const sleapNn = await startSleapNn({
        python: deps.python,
        workDir: deps.workDir,
        spare: deps.warmTrainer,
        argv: ['train', fromDataset(config)],
        cwd: folders.dataset,
        logFile: folders.log,
        tmpDir,
      });
      underWay.set(folders.work, sleapNn);
      const { wasWarm: warm } = sleapNn;
      deps.logger.info({ event: 'sleap_nn_started', job: run.input.spec.job_id, run: spec.name, warm });
      const exit = await untilExit(sleapNn, AbortSignal.any([context.cancellationSignal, superseded.signal]));
      underWay.delete(folders.work);
      if (pausing.has(folders.work)) progress.say('keeping the last checkpoint; the job is being paused');
      const handsOver = context.cancellationDetails?.workerShutdown === true || pausing.has(folders.work);
      await keeper?.ended(
        handsOver ? HAND_OVER_MS : context.cancellationSignal.aborted ? 0 : keepWithinMs(performance.now() - startedMs),
      );
      context.cancellationSignal.throwIfAborted();
      // This worker was given up on. Should Temporal ask it for the run all the same, that is a later attempt.
      if (superseded.signal.aborted) throw new SleapRtcError('WORKER_LOST', 'Another worker has taken this run over.');

      const log = await readTrainingLog(join(attempt.runFolder, 'training_log.csv'));
      const error = judgeRun({
        exit,
        sawTrainEnd: progress.sawTrainEnd,
        epochsDone: (log.epochs.at(-1)?.epoch ?? -1) + 1,
        maxEpochs: run.checked.maxEpochs,
        hasBestCheckpoint: await stat(join(attempt.runFolder, 'best.ckpt')).then(Boolean, () => false),
        logTail: await readLogTail(folders.log, logStart),
        labels: [...spec.train_labels, ...spec.val_labels],
      });
      if (error !== undefined) throw error;
      return await finishAttempt(attempt);
    } finally {
      stopping.dispose();
      await keeper?.[Symbol.asyncDispose]();
      await bridge[Symbol.asyncDispose]();
      await rm(tmpDir, { recursive: true, force: true });
    }
  }

  async function finish(run: Run, finished: Attempt): Promise<TrainedModel> {
    const { folders, spec, checked, input } = run;
    const attempts = lineage(await listAttempts(folders.work, spec.name), finished);
    const { files, log } = await collectModel(attempts, folders.model);
    const seconds = await Promise.all(attempts.map(attemptSeconds));
    const labels = new Set([...spec.train_labels, ...spec.val_labels]);
    const dataset_hash = datasetHash(
      input.spec.files.filter(({ path }) => labels.has(path)).map(({ sha256 }) => sha256),
    );
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
    await writeFileAtomic(folders.result, JSON.stringify(trained));
    return trained;
  }
}

/** The result of an earlier attempt, where its model folder is still whole. */
async function readResult(folders: RunFolders): Promise<TrainedModel | undefined> {
  try {
    const trained = StoredTrainedModel.parse(JSON.parse(await readFile(folders.result, 'utf8')));
    for (const file of trained.files) {
      if ((await stat(join(folders.model, file.path))).size !== file.size_bytes) return undefined;
    }
    return trained;
  } catch {
    return undefined;
  }
}
