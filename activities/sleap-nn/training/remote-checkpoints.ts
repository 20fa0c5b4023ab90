import { Context } from '@temporalio/activity';
import pRetry from 'p-retry';
import type { Logger } from 'pino';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { JobInput, TrainingRun, TrainingSpec } from '../../../protocol/job.ts';
import { withStorageErrors } from '../../../storage/storage-errors.ts';
import {
  backUpModel,
  type Checkpoints,
  CheckpointUploader,
  claimRun,
  type RunPlace,
  restoreCheckpoints,
  restoreModel,
} from '../../checkpoints/index.ts';
import { type Attempt, lineage, listAttempts } from '../../runs/attempts.ts';
import type { RunFolders } from '../../runs/run-folders.ts';
import type { TrainedModel } from '../../runs/trained-model.ts';
import type { SleapNnDeps } from '../deps.ts';

/** Between two attempts to reach S3, at most, in milliseconds. */
const STORAGE_AGAIN_MS = 10_000;
/** So much of the training's time may be spent on keeping what it came to; evaluation mostly hides it. */
const RETAIN_PART = 0.02;
const RETAIN_AT_LEAST_MS = 2_000;

/** Whose work. */
export interface RunOfJob {
  input: JobInput<TrainingSpec>;
  index: number;
  spec: TrainingRun;
  folders: RunFolders;
}

/** How long it may take to keep what came of a training that took so long; both in milliseconds. */
export function keepWithinMs(trainedMs: number): number {
  return Math.max(RETAIN_AT_LEAST_MS, trainedMs * RETAIN_PART);
}

/** What of a run is kept in S3 for other workers, and what they have kept there; nothing where no checkpoints are wanted. */
export class RemoteCheckpoints {
  readonly #deps: SleapNnDeps;

  constructor(deps: SleapNnDeps) {
    this.#deps = deps;
  }

  /**
   * Takes the run over from workers that were given up on, which may still run.
   * @returns what they have kept, where checkpoints are. Storage that is away is waited for: what they did is worth it.
   * @throws SleapRtcError WORKER_LOST where a later attempt has the run
   */
  async claim(run: RunOfJob): Promise<Checkpoints | undefined> {
    const { checkpoints } = this.#deps;
    if (checkpoints === undefined) return undefined;
    const latest = { s3: checkpoints.s3, place: placeOf(checkpoints.bucket, run), term: termOf(), signal: cancelled() };
    return this.#patiently(run, () => claimRun(latest));
  }

  /** The model that another worker has finished, now on this one; undefined where there is none. */
  async model(run: RunOfJob, kept: Checkpoints | undefined): Promise<TrainedModel | undefined> {
    const { checkpoints } = this.#deps;
    if (checkpoints === undefined || kept === undefined) return undefined;
    const place = placeOf(checkpoints.bucket, run);
    const options = { s3: checkpoints.s3, place, folder: run.folders.model, signal: cancelled() };
    return this.#patiently(run, () => restoreModel(options, kept));
  }

  /** Attempts of this run, also those of workers that are gone. */
  async attempts(run: RunOfJob, kept: Checkpoints | undefined, local: Attempt[], logger: Logger): Promise<Attempt[]> {
    const { checkpoints } = this.#deps;
    if (checkpoints === undefined || kept === undefined) return local;
    const { spec, folders } = run;
    const { s3, bucket } = checkpoints;
    const on = { s3, place: placeOf(bucket, run), logger, signal: cancelled() };
    const options = { ...on, kept, work: folders.work, run: spec.name, local };
    const restored = await this.#patiently(run, () => restoreCheckpoints(options));
    return restored ? listAttempts(folders.work, spec.name) : local;
  }

  /** Keeps an attempt's checkpoints from now on. @param onSuperseded called when a later attempt turns out to have the run */
  async keeper(
    run: RunOfJob,
    attempt: Attempt,
    { logger, onSuperseded }: { logger: Logger; onSuperseded: () => void },
  ): Promise<CheckpointUploader | undefined> {
    const { checkpoints, python } = this.#deps;
    if (checkpoints === undefined) return undefined;
    const { s3, bucket, everyMs } = checkpoints;
    const attempts = lineage(await listAttempts(run.folders.work, run.spec.name), attempt);
    const place = placeOf(bucket, run);
    return new CheckpointUploader({ s3, place, run: run.spec.name, attempts, everyMs, python, logger, onSuperseded });
  }

  /** Keeps a finished model, if that does not take long. What goes wrong is logged. */
  async backUpModel(run: RunOfJob, trained: TrainedModel, logger: Logger): Promise<void> {
    const { checkpoints } = this.#deps;
    if (checkpoints === undefined) return;
    const enough = AbortSignal.timeout(keepWithinMs(trained.training_duration_sec * 1000));
    const signal = AbortSignal.any([cancelled(), enough]);
    const place = placeOf(checkpoints.bucket, run);
    const options = { s3: checkpoints.s3, place, term: termOf(), folder: run.folders.model, signal };
    await backUpModel(options, trained).catch((error: unknown) =>
      logger.warn({ err: error }, 'the model was not kept'),
    );
  }

  #patiently<T>({ input }: RunOfJob, work: () => Promise<T>): Promise<T> {
    return pRetry(() => withStorageErrors(work), {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 500,
      maxTimeout: STORAGE_AGAIN_MS,
      signal: Context.current().cancellationSignal,
      shouldRetry: ({ error }) => error instanceof SleapRtcError && error.code === 'STORAGE_UNREACHABLE',
      onFailedAttempt: () =>
        this.#deps.publishProgress({
          job_id: input.spec.job_id,
          phase: 'training',
          detail: 'waiting for the room’s storage',
        }),
    });
  }
}

/** The present attempt of `train`, in the order in which Temporal's server has scheduled all of them. */
export function termOf(): number {
  return Context.current().info.currentAttemptScheduledTimestampMs;
}

function cancelled(): AbortSignal {
  return Context.current().cancellationSignal;
}

function placeOf(bucket: string, { input: { spec, context }, index }: RunOfJob): RunPlace {
  return { bucket, room: context.room_id, jobId: spec.job_id, runIndex: index };
}
