import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { FileEntry } from '../../protocol/files.ts';
import { formatTrainingLog } from '../../protocol/models/training-log.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import type { Snapshot, StoredAttempt } from '../../protocol/stored/stored-objects.ts';
import { putFile } from '../../storage/index.ts';
import type { FileHashes } from '../files/file-hashes.ts';
import type { Attempt } from '../runs/attempts.ts';
import { mergeTrainingLogs, readTrainingLog } from '../runs/training-log.ts';
import type { Sandbox } from '../sandbox/index.ts';
import { BEST, copyCheckpoint, LAST, LOG, lastWritten } from './checkpoint-copy.ts';
import { fileKey, type RunPlace, updateLatest } from './latest.ts';

/** How often the uploader checks for a new checkpoint, in milliseconds; a check is one `stat`. */
const CHECK_MS = 1_000;
/** The pause after an upload is so many times as long as the upload took, unless that would cost more than `MAX_PAUSE_MS` of training. */
const PAUSE_PER_UPLOAD = 20;
/** Together with the time that an upload takes, at most two minutes of training are lost; in milliseconds. */
const MAX_PAUSE_MS = 100_000;
const CURVE_TIMEOUT_MS = 5_000;

export interface CheckpointUploaderOptions {
  place: RunPlace;
  run: string;
  /** The attempts that this one builds on, oldest first, itself last. */
  attempts: readonly Attempt[];
  /** Least time between two uploads, in milliseconds. */
  everyMs: number;
  sandbox: Sandbox;
  hashes: FileHashes;
  logger: Logger;
  /** Called if a later attempt turns out to have the run: Temporal has given up on this one's worker. */
  onSuperseded: () => void;
}

/**
 * Uploads the checkpoints of a running attempt as sleap-nn writes them, so that another worker can continue. It makes a copy and checks
 * it, then uploads its files under their hashes, and last names them in `latest.json`. The checkpoint before stays, older ones
 * are removed. Errors are logged, and the next check tries again; training does not depend on it.
 */
export class CheckpointUploader {
  readonly #options: CheckpointUploaderOptions;
  readonly #attempt: Attempt;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  /** When the `last.ckpt` that was uploaded was written, in ms since 1970. */
  #uploadedMs = 0;
  /** The next upload is not before this time; of the monotonic clock, as `performance.now()`. */
  #nextMs = 0;
  #ended = false;
  /** Set when the attempt has finished its training. */
  #finishedAt: string | null = null;
  #superseded = false;
  #earlier: StoredAttempt[] | undefined;

  constructor(options: CheckpointUploaderOptions) {
    const attempt = options.attempts.at(-1);
    if (attempt === undefined) throw new Error('checkpoints belong to an attempt');
    this.#options = options;
    this.#attempt = attempt;
    this.#schedule();
  }

  /**
   * Call when training is over and sleap-nn only evaluates its model. The uploader then uploads the model's weights, so that no training
   * is lost if the worker dies before it has published them.
   */
  trainingEnded(): void {
    if (this.#ended) return;
    this.#finishedAt = new Date().toISOString();
    clearTimeout(this.#timer);
    this.#running = this.#running.then(async () => {
      clearTimeout(this.#timer); // of the upload before: two at a time would spoil each other's copy
      this.#uploadedMs = 0; // a checkpoint that was uploaded already was not the last one then
      await this.#uploadAndLog(this.#stop.signal);
      this.#schedule();
    });
  }

  /**
   * Call when the attempt has ended. Uploads its newest checkpoint, and its curve, which stays even if the job fails.
   * @param timeoutMs how long the upload of the checkpoint may take; 0 if nobody will continue from it
   */
  async attemptEnded(timeoutMs: number): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    const timeout = setTimeout(() => this.#stop.abort(), timeoutMs);
    await this.#running;
    const uploaded = timeoutMs > 0 && (await this.#uploadAndLog(this.#stop.signal));
    clearTimeout(timeout);
    if (this.#superseded) return;
    const storageIsSlow = timeoutMs > 0 && this.#stop.signal.aborted;
    if (uploaded || storageIsSlow) return;
    await this.#uploadCurve(AbortSignal.timeout(CURVE_TIMEOUT_MS)).catch((error: unknown) =>
      this.#options.logger.warn({ err: error }, 'the curve was not uploaded'),
    );
  }

  /** Aborts an upload that is in progress. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#running;
    await rm(this.#copyFolder, { recursive: true, force: true });
  }

  get #copyFolder(): string {
    return join(this.#attempt.folder, 'checkpoint-copy');
  }

  #schedule(): void {
    if (this.#ended || this.#stop.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (performance.now() < this.#nextMs) return this.#schedule();
      this.#running = this.#uploadAndLog(this.#stop.signal).then(() => this.#schedule());
    }, CHECK_MS);
  }

  /** @returns whether there was a new checkpoint, and it is in S3 now */
  async #uploadAndLog(signal: AbortSignal): Promise<boolean> {
    const { everyMs, logger } = this.#options;
    const startedMs = performance.now();
    try {
      if (!(await this.#uploadNew(signal))) return false;
      const tookMs = performance.now() - startedMs;
      const pauseMs = Math.max(everyMs, Math.min(MAX_PAUSE_MS, tookMs * PAUSE_PER_UPLOAD));
      this.#nextMs = performance.now() + (everyMs === 0 ? 0 : pauseMs);
      return true;
    } catch (error) {
      if (error instanceof SleapRtcError && error.code === 'WORKER_LOST') this.#giveUp(error);
      else if (!signal.aborted) logger.warn({ err: error }, 'the checkpoint was not uploaded; it is tried again');
      return false;
    }
  }

  async #uploadNew(signal: AbortSignal): Promise<boolean> {
    const { place, sandbox, hashes, logger, run } = this.#options;
    const written = await lastWritten(this.#attempt);
    if (written === undefined || written === this.#uploadedMs) return false;
    const copy = await copyCheckpoint(this.#attempt, { to: this.#copyFolder, sandbox, hashes, signal });
    if (copy === undefined) return false;
    this.#earlier ??= await Promise.all(
      this.#options.attempts.slice(0, -1).map((attempt) => this.#uploadEarlier(attempt, signal)),
    );
    // Nobody resumes from the last checkpoint of a training that is over: the best one is the model.
    const finished_at = this.#finishedAt;
    const needed = finished_at === null ? copy.names : copy.names.filter((name) => name !== LAST);
    const files = await this.#uploadFiles(this.#copyFolder, needed, signal);
    const { folder: _, runFolder: _run, ...begun } = this.#attempt;
    const record = { ...begun, finished_at };
    const newest: StoredAttempt = { record, saved_at: new Date(copy.writtenMs).toISOString(), files };
    const snapshot: Snapshot = { epochs_done: copy.epochsDone, attempts: [...this.#earlier, newest] };

    const { before, after } = await updateLatest({ place, term: record.term, signal }, ({ snapshots }) => ({
      snapshots: [snapshot, ...snapshots.filter((other) => !isDeepStrictEqual(other, snapshot)).slice(0, 1)],
    }));
    this.#uploadedMs = copy.writtenMs;
    logger.info({ event: 'checkpoint_uploaded', run, epochs: copy.epochsDone });
    await this.#uploadCurve(signal);
    await this.#removeUnnamed(before.snapshots, after.snapshots, signal);
    return true;
  }

  #giveUp(error: SleapRtcError): void {
    this.#options.logger.warn({ err: error }, 'a later attempt has the run; this one uploads nothing more');
    this.#superseded = true;
    this.#stop.abort();
    this.#options.onSuperseded();
  }

  /** Uploads what the model needs of an attempt that has ended. */
  async #uploadEarlier(attempt: Attempt, signal: AbortSignal): Promise<StoredAttempt> {
    const names = (await readdir(attempt.runFolder).catch(() => [])).filter((name) => name === BEST || name === LOG);
    const files = await this.#uploadFiles(attempt.runFolder, names.sort(), signal);
    const { folder: _, runFolder: _run, ...record } = attempt;
    const savedMs = (await lastWritten(attempt)) ?? Date.parse(attempt.started_at);
    return { record, saved_at: new Date(savedMs).toISOString(), files };
  }

  async #uploadFiles(folder: string, names: readonly string[], signal: AbortSignal): Promise<FileEntry[]> {
    const { place, hashes } = this.#options;
    const files: FileEntry[] = [];
    for (const name of names) {
      const from = join(folder, name);
      const entry = await hashes.describe(from, name);
      await putFile(place.bucket, { key: fileKey(place, entry.sha256), from, entry, ifAbsent: true, signal });
      files.push(entry);
    }
    return files;
  }

  /** The server shows this curve if the job fails or is cancelled, or if it was restarted without its state. */
  async #uploadCurve(signal: AbortSignal): Promise<void> {
    const { place, attempts, run } = this.#options;
    const log = mergeTrainingLogs(
      await Promise.all(attempts.map(({ runFolder }) => readTrainingLog(join(runFolder, LOG)))),
    );
    if (log.epochs.length === 0) return;
    const key = `${s3Layout.jobCurves(place.room, place.jobId)}${place.runIndex}.${run}.csv`;
    await place.bucket.put(key, formatTrainingLog(log), { contentType: 'text/csv', signal });
  }

  async #removeUnnamed(before: readonly Snapshot[], after: readonly Snapshot[], signal: AbortSignal): Promise<void> {
    const { place } = this.#options;
    const named = hashesOf(after);
    for (const sha256 of hashesOf(before)) {
      if (!named.has(sha256)) await place.bucket.remove(fileKey(place, sha256), { signal });
    }
  }
}

function hashesOf(snapshots: readonly Snapshot[]): Set<string> {
  return new Set(
    snapshots.flatMap(({ attempts }) => attempts.flatMap(({ files }) => files.map(({ sha256 }) => sha256))),
  );
}
