import { mkdir, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Context } from '@temporalio/activity';
import writeFileAtomic from 'write-file-atomic';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { type CheckpointUploader, uploadTimeoutMs } from '../../checkpoints/index.ts';
import { type Attempt, finishAttempt, newAttempt } from '../../runs/attempts.ts';
import type { ResumePoint } from '../../runs/inspect-checkpoint.ts';
import { beginLog, readLogTail } from '../../runs/log-file.ts';
import { readTrainingLog } from '../../runs/training-log.ts';
import type { SleapNnDeps } from '../deps.ts';
import { judgeRun } from '../failures/judge-run.ts';
import { FreezeGuard } from '../process/freeze-guard.ts';
import type { SleapNnExit } from '../process/launcher-process.ts';
import { type RunningSleapNn, startSleapNn } from '../process/run-sleap-nn.ts';
import type { TrainingEvent } from '../process/training-event.ts';
import { type CachedWeights, useWeights } from '../weights/pretrained-weights.ts';
import type { EarlyStops } from './early-stops.ts';
import type { Run } from './run.ts';
import type { TrainProgress } from './train-progress.ts';
import type { CheckedConfig } from './training-config.ts';

/** Timeout of the last upload if another worker, or a later attempt, continues the run. A worker that is shut down has some tens of seconds. */
const HAND_OVER_TIMEOUT_MS = 15_000;

/** How an attempt starts. */
interface Start {
  config: CheckedConfig;
  /** Undefined for an attempt that starts at epoch 0. */
  resume: ResumePoint | undefined;
  /** Weights of others from which it starts. */
  weights: readonly CachedWeights[];
  progress: TrainProgress;
}

/** What an attempt needs while sleap-nn runs. */
interface OpenAttempt extends Start {
  run: Run;
  attempt: Attempt;
  onTrainingEvent: (event: TrainingEvent) => void;
  /** Ends sleap-nn if it stands still; the next attempt goes on from its last checkpoint. */
  guard: FreezeGuard;
  uploader: CheckpointUploader;
  /** Aborted if a later attempt has the run. */
  superseded: AbortSignal;
  tmpDir: string;
  close(): Promise<void>;
}

/** Runs sleap-nn for one attempt of a run after the other. */
export class AttemptRunner {
  readonly #deps: SleapNnDeps;
  readonly #stops: EarlyStops;
  readonly #pausing: Set<string>;
  /** By work folder. */
  readonly #running = new Map<string, RunningSleapNn>();

  constructor(deps: SleapNnDeps, stops: EarlyStops, pausing: Set<string>) {
    this.#deps = deps;
    this.#stops = stops;
    this.#pausing = pausing;
  }

  /** Ends an attempt of the run that Temporal has given up on and that still runs in this process, and forgets an earlier pause. */
  async endOrphaned({ folders }: Run): Promise<void> {
    this.#pausing.delete(folders.work);
    await this.#running.get(folders.work)?.terminate(0);
  }

  /** Runs sleap-nn until its training ends. @returns the finished attempt */
  async run(run: Run, start: Start): Promise<Attempt> {
    const startedMs = performance.now();
    const open = await this.#open(run, start);
    try {
      const { folders, signal } = run;
      const logStart = await beginLog(folders.log, logHeader(open));
      const sleapNn = await this.#startSleapNn(open);
      this.#running.set(folders.work, sleapNn);
      const exit = await open.guard.wait(sleapNn);
      this.#running.delete(folders.work);
      await open.uploader.attemptEnded(this.#lastUploadTimeoutMs(open, performance.now() - startedMs));
      signal.throwIfAborted();
      // Temporal has given up on this worker. If it asks it for the run again, that is a later attempt.
      if (open.superseded.aborted) throw new SleapRtcError('WORKER_LOST', 'Another worker has taken this run over.');
      if (open.guard.error !== undefined) throw open.guard.error;
      await throwIfFailed(open, exit, logStart);
      return await finishAttempt(open.attempt);
    } finally {
      await open.close();
    }
  }

  async #open(run: Run, start: Start): Promise<OpenAttempt> {
    const { folders, spec, checkpoints } = run;
    const attempt = await newAttempt(folders.work, spec.name, start.resume?.attempt, run.term);
    const tmpDir = join(attempt.folder, 'tmp');
    await mkdir(tmpDir);
    const superseded = new AbortController();
    const guard = new FreezeGuard({
      signal: AbortSignal.any([run.signal, superseded.signal]),
      epochMs: () => start.progress.epochMs,
      report: (detail) => start.progress.report(detail),
    });
    const listeners = [(event: TrainingEvent) => start.progress.onEvent(event), () => guard.onEvent()];
    const onTrainingEvent = (event: TrainingEvent) => {
      for (const listener of listeners) listener(event);
    };
    const stopping = await this.#stops.follow(folders.work, {
      stop: () => this.#running.get(folders.work)?.stop(),
      report: (detail) => start.progress.report(detail),
    });
    const uploader = await checkpoints.uploader(attempt, () => superseded.abort());
    listeners.push(stopping.onEvent, ({ event }) => {
      if (event === 'train_end') this.#onTrainingEnd(run, uploader);
    });
    const close = async () => {
      stopping.dispose();
      await uploader.close();
      await rm(tmpDir, { recursive: true, force: true });
    };
    return { ...start, run, attempt, onTrainingEvent, guard, uploader, superseded: superseded.signal, tmpDir, close };
  }

  #onTrainingEnd({ index, input }: Run, uploader: CheckpointUploader): void {
    // The next run's process is warmed up while this run is evaluated and uploaded: before, the training needs the CPU.
    if (index + 1 < input.spec.runs.length) this.#deps.warmTrainer?.ensureSpare();
    uploader.trainingEnded();
  }

  async #startSleapNn({
    run,
    attempt,
    config,
    resume,
    weights,
    progress,
    onTrainingEvent,
    tmpDir,
  }: OpenAttempt): Promise<RunningSleapNn> {
    const { folders, spec } = run;
    const { sandbox, workDir, warmTrainer: spare } = this.#deps;
    const fromDataset = (path: string) => relative(folders.dataset, path);
    const configFile = join(attempt.folder, 'config.yaml');
    await writeFileAtomic(
      configFile,
      config.forWorker({
        trainLabels: spec.train_labels,
        valLabels: spec.val_labels,
        ckptDir: fromDataset(attempt.folder),
        runName: spec.name,
        resumeFrom: resume ? fromDataset(resume.checkpoint) : null,
      }),
    );
    progress.report(resume ? `loading sleap-nn to go on after epoch ${resume.epochsDone}` : 'loading sleap-nn');
    const argv = ['train', fromDataset(configFile)];
    const { files, env } = useWeights(weights);
    const access = {
      read: [folders.dataset, ...files, ...(resume ? [resume.attempt.runFolder] : [])],
      write: [attempt.folder],
    };
    const command = { argv, cwd: folders.dataset, logFile: folders.log, tmpDir, env, access, onTrainingEvent };
    const sleapNn = await startSleapNn({ sandbox, workDir, spare, ...command });
    run.logger.info({ event: 'sleap_nn_started', warm: sleapNn.wasWarm });
    return sleapNn;
  }

  /** Timeout of the upload of the attempt's last checkpoint, once sleap-nn has ended. */
  #lastUploadTimeoutMs({ run, progress }: OpenAttempt, trainedMs: number): number {
    const isPausing = this.#pausing.has(run.folders.work);
    if (isPausing) progress.report('uploading the last checkpoint; the job is being paused');
    const isShutDown = Context.current().cancellationDetails?.workerShutdown === true;
    if (isPausing || isShutDown) return HAND_OVER_TIMEOUT_MS;
    return run.signal.aborted ? 0 : uploadTimeoutMs(trainedMs);
  }
}

function logHeader({ attempt, resume }: OpenAttempt): string {
  const resumed = resume ? `, going on after epoch ${resume.epochsDone}` : '';
  return `--- ${attempt.started_at} sleap-nn train, attempt ${attempt.number}${resumed}`;
}

/** @throws SleapRtcError if sleap-nn did not train to its end */
async function throwIfFailed(
  { run, attempt, config, progress }: OpenAttempt,
  exit: SleapNnExit,
  logStart: number,
): Promise<void> {
  const { spec, folders } = run;
  const log = await readTrainingLog(join(attempt.runFolder, 'training_log.csv'));
  const error = judgeRun({
    exit,
    sawTrainEnd: progress.sawTrainEnd,
    epochsDone: (log.epochs.at(-1)?.epoch ?? -1) + 1,
    maxEpochs: config.maxEpochs,
    hasBestCheckpoint: await stat(join(attempt.runFolder, 'best.ckpt')).then(Boolean, () => false),
    logTail: await readLogTail(folders.log, logStart),
    labels: [...spec.train_labels, ...spec.val_labels],
  });
  if (error !== undefined) throw error;
}
