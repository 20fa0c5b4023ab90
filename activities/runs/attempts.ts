import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { AttemptRecord } from '../../protocol/stored/stored-objects.ts';

/** One start of sleap-nn for a run, in a folder of its own that no other attempt writes to. */
export interface Attempt extends AttemptRecord {
  folder: string;
  /** The run folder that sleap-nn makes: `best.ckpt`, `last.ckpt`, logs and labels. */
  runFolder: string;
}

const RECORD = 'attempt.json';

/** The attempts in a run's work folder, oldest first. An attempt without a record is ignored. */
export async function listAttempts(work: string, run: string): Promise<Attempt[]> {
  const names = await readdir(work).catch(() => []);
  const attempts = await Promise.all(names.map((name) => readAttempt(join(work, name), run)));
  return attempts.filter((attempt) => attempt !== undefined).sort((a, b) => a.number - b.number);
}

/** Makes the folder of the next attempt and writes its record. */
export async function newAttempt(
  work: string,
  run: string,
  resumedFrom: Attempt | undefined,
  term: number,
): Promise<Attempt> {
  await mkdir(work, { recursive: true });
  const numbers = (await readdir(work)).map((name) => Number(/^attempt-(\d+)$/.exec(name)?.[1] ?? 0));
  const number = Math.max(0, ...numbers) + 1;
  const folder = join(work, `attempt-${number}`);
  await mkdir(folder);
  const attempt: Attempt = {
    number,
    term,
    resumed_from: resumedFrom?.number ?? null,
    started_at: new Date().toISOString(),
    finished_at: null,
    folder,
    runFolder: join(folder, run),
  };
  await writeAttempt(attempt);
  return attempt;
}

/** Records that an attempt's sleap-nn succeeded. */
export async function finishAttempt(attempt: Attempt): Promise<Attempt> {
  const finished = { ...attempt, finished_at: new Date().toISOString() };
  await writeAttempt(finished);
  return finished;
}

/** The attempts that a finished attempt resumed from, oldest first, and the attempt itself at the end. */
export function lineage(attempts: readonly Attempt[], last: Attempt): Attempt[] {
  const chain = [last];
  for (let at = last; at.resumed_from !== null; ) {
    const earlier = attempts.find(({ number }) => number === at.resumed_from);
    if (earlier === undefined || chain.includes(earlier)) break;
    chain.unshift(earlier);
    at = earlier;
  }
  return chain;
}

/**
 * Adds the attempt of another worker to a work folder. Its files must be there already: with its record the attempt counts.
 * @param folder `attempt-{number}` of the work folder
 */
export async function adoptAttempt(folder: string, record: AttemptRecord): Promise<void> {
  await writeFileAtomic(join(folder, RECORD), JSON.stringify(record));
}

/** How long an attempt ran, in seconds. If it was killed, the time ends with its last checkpoint. */
export async function attemptSeconds(attempt: Attempt): Promise<number> {
  const end = attempt.finished_at === null ? await lastSavedMs(attempt) : Date.parse(attempt.finished_at);
  return end === undefined ? 0 : Math.max(0, (end - Date.parse(attempt.started_at)) / 1000);
}

/** When the attempt's last checkpoint was written, in ms since 1970. If that was removed, when its log was written. */
async function lastSavedMs({ runFolder }: Attempt): Promise<number | undefined> {
  for (const name of ['last.ckpt', 'training_log.csv']) {
    const found = await stat(join(runFolder, name)).catch(() => undefined);
    if (found !== undefined) return found.mtimeMs;
  }
  return undefined;
}

async function readAttempt(folder: string, run: string): Promise<Attempt | undefined> {
  try {
    const record = AttemptRecord.parse(JSON.parse(await readFile(join(folder, RECORD), 'utf8')));
    return { ...record, folder, runFolder: join(folder, run) };
  } catch {
    return undefined;
  }
}

async function writeAttempt({ folder, runFolder: _, ...record }: Attempt): Promise<void> {
  await writeFileAtomic(join(folder, RECORD), JSON.stringify(record));
}
