import type { Logger } from 'pino';
import type { Checkpoints, TrainedModel } from '../../protocol/stored/stored-objects.ts';
import { waitForStorage } from '../../storage/index.ts';
import type { FileHashes } from '../files/file-hashes.ts';
import { type Attempt, lineage, listAttempts } from '../runs/attempts.ts';
import type { RunFolders } from '../runs/job-folders.ts';
import type { Sandbox } from '../sandbox/index.ts';
import { CheckpointUploader } from './checkpoint-uploader.ts';
import { claimRun, type RunPlace } from './latest.ts';
import { restoreCheckpoints } from './restore-checkpoints.ts';
import { backUpModel, restoreModel } from './trained-model-backup.ts';

/** The upload of what a training has made may take this part of its time; evaluation mostly hides it. */
const UPLOAD_PART = 0.02;
const MIN_UPLOAD_TIMEOUT_MS = 2_000;

export interface RunCheckpointsOptions {
  place: RunPlace;
  /** The run's name. */
  run: string;
  folders: RunFolders;
  /** When Temporal's server scheduled this attempt of `train`: attempts are ordered by it. */
  term: number;
  /** Least time between two uploads, in milliseconds. */
  everyMs: number;
  sandbox: Sandbox;
  hashes: FileHashes;
  logger: Logger;
  signal: AbortSignal;
  /** Called while S3 is unreachable and this has to wait for it. */
  onWaiting: () => void;
}

/** How long the upload of what a training has made may take; both in milliseconds. */
export function uploadTimeoutMs(trainedMs: number): number {
  return Math.max(MIN_UPLOAD_TIMEOUT_MS, trainedMs * UPLOAD_PART);
}

/** One run's checkpoints in S3: what earlier workers have uploaded, and what this one uploads. */
export class RunCheckpoints {
  readonly #options: RunCheckpointsOptions;

  constructor(options: RunCheckpointsOptions) {
    this.#options = options;
  }

  /**
   * Takes the run over from workers that Temporal has given up on, which may still run. Waits for S3 if it is unreachable: what
   * they have uploaded is worth it.
   * @throws SleapRtcError WORKER_LOST if a later attempt has the run
   */
  claim(): Promise<Checkpoints> {
    return waitForStorage(() => claimRun(this.#options), this.#options);
  }

  /** Downloads the model that another worker has finished. Returns undefined if there is none. */
  restoreModel(checkpoints: Checkpoints): Promise<TrainedModel | undefined> {
    const { place, folders, signal } = this.#options;
    return waitForStorage(() => restoreModel({ place, folder: folders.model, signal }, checkpoints), this.#options);
  }

  /** Downloads the attempts of other workers, unless this worker's own are newer. Returns all that are here then. */
  async restoreAttempts(checkpoints: Checkpoints, local: readonly Attempt[]): Promise<readonly Attempt[]> {
    const { place, folders, run, logger, signal } = this.#options;
    const options = { place, checkpoints, work: folders.work, run, local, logger, signal };
    const restored = await waitForStorage(() => restoreCheckpoints(options), this.#options);
    return restored ? listAttempts(folders.work, run) : local;
  }

  /** Uploads an attempt's checkpoints from now on. @param onSuperseded called if a later attempt turns out to have the run */
  async uploader(attempt: Attempt, onSuperseded: () => void): Promise<CheckpointUploader> {
    const { place, run, folders, everyMs, sandbox, hashes, logger } = this.#options;
    const attempts = lineage(await listAttempts(folders.work, run), attempt);
    return new CheckpointUploader({ place, run, attempts, everyMs, sandbox, hashes, logger, onSuperseded });
  }

  /** Uploads a finished model among the checkpoints, unless that takes too long. Errors are logged. */
  async backUpModel(trained: TrainedModel): Promise<void> {
    const { place, term, folders, logger, signal } = this.#options;
    const timeout = AbortSignal.timeout(uploadTimeoutMs(trained.training_duration_sec * 1000));
    const writer = { place, term, folder: folders.model, signal: AbortSignal.any([signal, timeout]) };
    await backUpModel(writer, trained).catch((error: unknown) =>
      logger.warn({ err: error }, 'the model was not backed up'),
    );
  }
}
