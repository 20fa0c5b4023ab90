import { constants } from 'node:fs';
import { copyFile, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { formatTrainingLog } from '../../protocol/models/training-log.ts';
import { type FileHashes, identify } from '../files/file-hashes.ts';
import type { Attempt } from '../runs/attempts.ts';
import { inspectCheckpoint } from '../runs/inspect-checkpoint.ts';
import { readTrainingLog } from '../runs/training-log.ts';
import type { Sandbox } from '../sandbox/index.ts';

export const LAST = 'last.ckpt';
export const BEST = 'best.ckpt';
export const LOG = 'training_log.csv';

/** If sleap-nn wrote to the files during a copy, the copy is made again, at most this often. */
const MAX_COPIES = 5;
/** Time before that in which sleap-nn can finish its writes, in milliseconds. */
const RETRY_COPY_MS = 200;
/** A file counts as finished if it was not written to for this long. File systems record times in steps of some milliseconds. */
const SETTLE_MS = 100;

/** A copy of what another worker needs of a run folder. */
export interface CheckpointCopy {
  /** When sleap-nn wrote the copied checkpoint, in ms since 1970. */
  writtenMs: number;
  epochsDone: number;
  names: string[];
}

interface CopyOptions {
  /** The folder for the copy. */
  to: string;
  sandbox: Sandbox;
  hashes: FileHashes;
  signal: AbortSignal;
}

/** Copies a run folder's checkpoint and checks it. Returns undefined if sleap-nn writes faster than we can copy. */
export async function copyCheckpoint(attempt: Attempt, options: CopyOptions): Promise<CheckpointCopy | undefined> {
  for (let copies = 0; copies < MAX_COPIES; copies += 1) {
    options.signal.throwIfAborted();
    const copy = await copyOnce(attempt, options);
    if (copy !== undefined) return copy;
    await setTimeout(RETRY_COPY_MS, undefined, { signal: options.signal });
  }
  return undefined;
}

/** When sleap-nn last wrote the attempt's checkpoint, in ms since 1970; undefined if it has not. */
export async function lastWritten({ runFolder }: Attempt): Promise<number | undefined> {
  return stat(join(runFolder, LAST)).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}

async function copyOnce(
  attempt: Attempt,
  { to, sandbox, hashes, signal }: CopyOptions,
): Promise<CheckpointCopy | undefined> {
  const writtenMs = await lastWritten(attempt);
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  // In this order: the best, the last, and the log. Each may be newer than the one before.
  const names = (await readdir(attempt.runFolder)).filter(isNeeded).sort();
  for (const name of names) await copySettled(join(attempt.runFolder, name), join(to, name), hashes, signal);
  const epochsDone = await inspectCheckpoint(join(to, LAST), { sandbox, signal });
  const bestIsWhole =
    !names.includes(BEST) || (await inspectCheckpoint(join(to, BEST), { sandbox, signal })) !== undefined;
  if (writtenMs === undefined || epochsDone === undefined || !bestIsWhole) return undefined;
  return (await cutLog(join(to, LOG), epochsDone)) ? { writtenMs, epochsDone, names } : undefined;
}

/** Copies a file. If it was not written to meanwhile, file and copy have the same hash, which is computed only once. */
async function copySettled(from: string, to: string, hashes: FileHashes, signal: AbortSignal): Promise<void> {
  const before = await identify(from);
  const ageMs = Date.now() - before.writtenMs;
  if (ageMs >= 0 && ageMs < SETTLE_MS) await setTimeout(SETTLE_MS - ageMs, undefined, { signal });
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  if ((await identify(from)).identity === before.identity) hashes.pair(before.identity, (await identify(to)).identity);
}

/** Cuts the copied log after the last epoch of the copied checkpoint. @returns false if the log does not have that epoch yet */
async function cutLog(file: string, epochsDone: number): Promise<boolean> {
  const { columns, epochs } = await readTrainingLog(file);
  if ((epochs.at(-1)?.epoch ?? -1) < epochsDone - 1) return false;
  const done = epochs.filter(({ epoch }) => epoch < epochsDone);
  await writeFile(file, formatTrainingLog({ columns, epochs: done }));
  return true;
}

function isNeeded(name: string): boolean {
  return name === LAST || name === BEST || name === LOG || name.endsWith('.yaml');
}
