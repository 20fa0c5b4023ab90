import { constants } from 'node:fs';
import { copyFile, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { FileEntry } from '../../protocol/files.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { abortOption } from '../../storage/abort-option.ts';
import { putFile } from '../../storage/put-file.ts';
import { describeFile } from '../files/describe-file.ts';
import type { Attempt } from '../runs/attempts.ts';
import { inspectCheckpoint } from '../runs/inspect-checkpoint.ts';
import { mergeTrainingLogs, readTrainingLog } from '../runs/training-log.ts';
import { fileKey, type RunPlace, type Snapshot, type StoredAttempt } from './checkpoints.ts';
import { updateLatest } from './latest.ts';

/** How often it is looked whether sleap-nn has written a new checkpoint, in milliseconds; a look is one `stat`. */
const LOOK_MS = 1_000;
/** Keeping may take this part of the time at most, as long as that costs less than `MAX_PAUSE_MS` of training. */
const PAUSE_PER_WORK = 20;
/** With the time that keeping takes, two minutes of training are lost at most; in milliseconds. */
const MAX_PAUSE_MS = 100_000;
/** A copy that sleap-nn wrote into is made anew, as often as this in a row. */
const MAX_COPIES = 5;

/** After such a copy it is waited so long for what sleap-nn is writing, in milliseconds. */
const COPY_AGAIN_MS = 200;

const CURVE_MS = 5_000;

const LAST = 'last.ckpt';
const BEST = 'best.ckpt';
const LOG = 'training_log.csv';

export interface CheckpointUploaderOptions {
  s3: S3Client;
  place: RunPlace;
  run: string;
  /** Attempts that this one builds on, oldest first, itself last. */
  attempts: readonly Attempt[];
  /** Least time between two checkpoints that are kept, in milliseconds. */
  everyMs: number;
  python: string;
  logger: Logger;
  /** Called when a later attempt turns out to have the run: this one's worker was given up on. */
  onSuperseded: () => void;
}

/**
 * Copies the checkpoints of a running attempt to S3 as they come, so that another worker can go on: first a copy is made and looked
 * through, then its files are stored under their hashes, and last `latest.json` says that they are there. The checkpoint before
 * is kept, older ones are removed. What goes wrong is logged and tried again; training does not depend on it.
 */
export class CheckpointUploader implements AsyncDisposable {
  readonly #options: CheckpointUploaderOptions;
  readonly #attempt: Attempt;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  /** When `last.ckpt` that is kept was written, in ms since 1970. */
  #keptMs = 0;
  /** Not before is the next one kept; of the clock that nobody sets, as `performance.now()`. */
  #nextMs = 0;
  #over = false;
  /** Set when the attempt has trained all it is going to. */
  #finishedAt: string | null = null;
  #superseded = false;
  #earlier: StoredAttempt[] | undefined;

  constructor(options: CheckpointUploaderOptions) {
    const attempt = options.attempts.at(-1);
    if (attempt === undefined) throw new Error('checkpoints are of an attempt');
    this.#options = options;
    this.#attempt = attempt;
    this.#schedule();
  }

  /**
   * Training is over, and sleap-nn only looks at its result: that is the time to keep the model, so that a worker that dies while
   * it stores it takes no training along.
   */
  trained(): void {
    if (this.#over) return;
    this.#finishedAt = new Date().toISOString();
    globalThis.clearTimeout(this.#timer);
    this.#running = this.#running.then(async () => {
      globalThis.clearTimeout(this.#timer); // of what was under way: two at a time would spoil each other's copy
      this.#keptMs = 0; // also a checkpoint that is kept: it was not the last one then
      await this.#keepLogged(this.#stop.signal);
      this.#schedule();
    });
  }

  /**
   * The attempt has ended. Its newest checkpoint is kept, and its curve, which outlives a failure.
   * @param withinMs how long the checkpoint may take, in milliseconds; 0 where nobody is going to go on from it
   */
  async ended(withinMs: number): Promise<void> {
    this.#over = true;
    globalThis.clearTimeout(this.#timer);
    const enough = globalThis.setTimeout(() => this.#stop.abort(), withinMs);
    await this.#running;
    const kept = withinMs > 0 && (await this.#keepLogged(this.#stop.signal));
    globalThis.clearTimeout(enough);
    if (this.#superseded) return;
    const storageIsSlow = withinMs > 0 && this.#stop.signal.aborted;
    if (kept || storageIsSlow) return;
    await this.#storeCurve(AbortSignal.timeout(CURVE_MS)).catch((error: unknown) =>
      this.#options.logger.warn({ err: error }, 'the curve was not kept'),
    );
  }

  /** Breaks off what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    this.#stop.abort();
    globalThis.clearTimeout(this.#timer);
    await this.#running;
    await rm(this.#copies, { recursive: true, force: true });
  }

  get #copies(): string {
    return join(this.#attempt.folder, 'kept');
  }

  #schedule(): void {
    if (this.#over || this.#stop.signal.aborted) return;
    globalThis.clearTimeout(this.#timer);
    this.#timer = globalThis.setTimeout(() => {
      if (performance.now() < this.#nextMs) return this.#schedule();
      this.#running = this.#keepLogged(this.#stop.signal).then(() => this.#schedule());
    }, LOOK_MS);
  }

  /** @returns whether the newest checkpoint was new, and is kept now */
  async #keepLogged(signal: AbortSignal): Promise<boolean> {
    const startedMs = performance.now();
    try {
      if (!(await this.#keep(signal))) return false;
      const tookMs = performance.now() - startedMs;
      const pauseMs = Math.max(this.#options.everyMs, Math.min(MAX_PAUSE_MS, tookMs * PAUSE_PER_WORK));
      this.#nextMs = performance.now() + (this.#options.everyMs === 0 ? 0 : pauseMs);
      return true;
    } catch (error) {
      if (error instanceof SleapRtcError && error.code === 'WORKER_LOST') this.#giveUp(error);
      else if (!signal.aborted)
        this.#options.logger.warn({ err: error }, 'the checkpoint was not kept; it is tried again');
      return false;
    }
  }

  /** @returns whether there was a new checkpoint, and it is kept */
  async #keep(signal: AbortSignal): Promise<boolean> {
    const { s3, place, python, logger, run } = this.#options;
    const written = await lastWritten(this.#attempt);
    if (written === undefined || written === this.#keptMs) return false;
    const copy = await this.#copy(python, signal);
    if (copy === undefined) return false;
    const { writtenMs, epochsDone, names } = copy;
    this.#earlier ??= await Promise.all(
      this.#options.attempts.slice(0, -1).map((attempt) => this.#keepEarlier(attempt, signal)),
    );
    // Nobody goes on from the last checkpoint of a training that is over: the best one is the model.
    const finished_at = this.#finishedAt;
    const needed = finished_at === null ? names : names.filter((name) => name !== LAST);
    const files = await this.#store(this.#copies, needed, signal);
    const { folder: _, runFolder: _run, ...begun } = this.#attempt;
    const record = { ...begun, finished_at };
    const kept: StoredAttempt = { record, saved_at: new Date(writtenMs).toISOString(), files };
    const snapshot: Snapshot = { epochs_done: epochsDone, attempts: [...this.#earlier, kept] };

    const { before, after } = await updateLatest({ s3, place, term: record.term, signal }, ({ snapshots }) => ({
      snapshots: [snapshot, ...snapshots.slice(0, 1)],
    }));
    this.#keptMs = writtenMs;
    logger.info({ event: 'checkpoint_uploaded', run, epochs: epochsDone });
    await this.#storeCurve(signal);
    await this.#removeAllBut(after.snapshots, before.snapshots, signal);
    return true;
  }

  #giveUp(error: SleapRtcError): void {
    this.#options.logger.warn({ err: error }, 'a later attempt has the run; this one keeps nothing more');
    this.#superseded = true;
    this.#stop.abort();
    this.#options.onSuperseded();
  }

  /** Copies what another worker needs of the run folder. Undefined where sleap-nn writes faster than we can copy. */
  async #copy(
    python: string,
    signal: AbortSignal,
  ): Promise<{ writtenMs: number; epochsDone: number; names: string[] } | undefined> {
    for (let copies = 0; copies < MAX_COPIES; copies += 1) {
      signal.throwIfAborted();
      const writtenMs = await lastWritten(this.#attempt);
      await rm(this.#copies, { recursive: true, force: true });
      await mkdir(this.#copies, { recursive: true });
      // In this order: what is best, what is last, and the log, each of which may be newer than the one before.
      const names = (await readdir(this.#attempt.runFolder)).filter((name) => isNeeded(name)).sort();
      for (const name of names) {
        await copyFile(join(this.#attempt.runFolder, name), join(this.#copies, name), constants.COPYFILE_FICLONE);
      }
      const epochsDone = await inspectCheckpoint(join(this.#copies, LAST), { python, signal });
      const bestIsWhole =
        !names.includes(BEST) || (await inspectCheckpoint(join(this.#copies, BEST), { python, signal })) !== undefined;
      if (writtenMs !== undefined && epochsDone !== undefined && bestIsWhole && (await this.#cutLog(epochsDone))) {
        return { writtenMs, epochsDone, names };
      }
      await setTimeout(COPY_AGAIN_MS, undefined, { signal });
    }
    return undefined;
  }

  /** Ends the copied log where the copied checkpoint ends. @returns false where it does not reach that far yet */
  async #cutLog(epochsDone: number): Promise<boolean> {
    const file = join(this.#copies, LOG);
    const { header, epochs } = await readTrainingLog(file);
    if ((epochs.at(-1)?.epoch ?? -1) < epochsDone - 1) return false;
    const lines = epochs.filter(({ epoch }) => epoch < epochsDone).map(({ line }) => line);
    await writeFile(file, `${[header, ...lines].join('\n')}\n`);
    return true;
  }

  /** Of an attempt that is over: what its part of the model is made of. */
  async #keepEarlier(attempt: Attempt, signal: AbortSignal): Promise<StoredAttempt> {
    const names = (await readdir(attempt.runFolder).catch(() => [])).filter((name) => name === BEST || name === LOG);
    const files = await this.#store(attempt.runFolder, names.sort(), signal);
    const { folder: _, runFolder: _run, ...record } = attempt;
    const savedMs = (await lastWritten(attempt)) ?? Date.parse(attempt.started_at);
    return { record, saved_at: new Date(savedMs).toISOString(), files };
  }

  async #store(folder: string, names: readonly string[], signal: AbortSignal): Promise<FileEntry[]> {
    const { s3, place } = this.#options;
    const files: FileEntry[] = [];
    for (const name of names) {
      const from = join(folder, name);
      const entry = await describeFile(from, name);
      const key = fileKey(place, entry.sha256);
      await putFile(s3, { bucket: place.bucket, key, from, entry, ifAbsent: true, signal });
      files.push(entry);
    }
    return files;
  }

  /** For the curve of a job that fails or is cancelled, and of one whose signaling server has forgotten it. */
  async #storeCurve(signal: AbortSignal): Promise<void> {
    const { s3, place, attempts, run } = this.#options;
    const logs = await Promise.all(attempts.map(({ runFolder }) => readTrainingLog(join(runFolder, LOG))));
    const { header, epochs } = mergeTrainingLogs(logs);
    if (epochs.length === 0) return;
    const object = {
      Bucket: place.bucket,
      Key: `${s3Layout.jobCurves(place.room, place.jobId)}${place.runIndex}.${run}.csv`,
    };
    const Body = `${[header, ...epochs.map(({ line }) => line)].join('\n')}\n`;
    await s3.send(new PutObjectCommand({ ...object, Body, ContentType: 'text/csv' }), abortOption(signal));
  }

  async #removeAllBut(named: readonly Snapshot[], before: readonly Snapshot[], signal: AbortSignal): Promise<void> {
    const { s3, place } = this.#options;
    const keep = hashes(named);
    for (const hash of hashes(before)) {
      if (keep.has(hash)) continue;
      const object = { Bucket: place.bucket, Key: fileKey(place, hash) };
      await s3.send(new DeleteObjectCommand(object), abortOption(signal));
    }
  }
}

function isNeeded(name: string): boolean {
  return name === LAST || name === BEST || name === LOG || name.endsWith('.yaml');
}

function hashes(snapshots: readonly Snapshot[]): Set<string> {
  return new Set(
    snapshots.flatMap(({ attempts }) => attempts.flatMap(({ files }) => files.map(({ sha256 }) => sha256))),
  );
}

/** When sleap-nn last wrote the attempt's checkpoint, in ms since 1970. */
async function lastWritten({ runFolder }: Attempt): Promise<number | undefined> {
  return stat(join(runFolder, LAST)).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}
