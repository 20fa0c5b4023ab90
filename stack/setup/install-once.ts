import { access, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { lock } from 'proper-lockfile';
import writeFileAtomic from 'write-file-atomic';

/** Written last: a folder without it is incomplete and is made again. */
const MARKER = '.complete';

/** A lock that was not renewed for this long belonged to a process that was killed. */
const LOCK_STALE_MS = 10_000;
const LOCK_POLL_MS = 200;

/** A folder to fill. */
export interface Installation {
  /** Absolute. While it is being made, there is a lock file beside it. */
  dir: string;
  /** For progress messages: "sleap-nn". */
  title: string;
  /** A file in `dir` that must (still) be there, following links: a virtual environment dies with its base Python. */
  mustExist: string;
  /** Fills `dir`, which is empty; stops when the signal is aborted. */
  make: (signal: AbortSignal) => Promise<void>;
  onProgress: (message: string) => void;
  signal?: AbortSignal | undefined;
  /** How long a lock outlives a killed owner; default: 10 s. */
  lockStaleMs?: number;
}

/**
 * Makes a folder once, however many processes ask: a second process waits for the first one, and an incomplete folder of a killed
 * process is made again. If the folder is complete, this costs two look-ups.
 */
export async function installOnce(installation: Installation): Promise<void> {
  if (await isComplete(installation)) return;
  const { dir, title, onProgress, signal } = installation;
  await mkdir(dirname(dir), { recursive: true });
  const lost = new AbortController();
  const release = await acquire(installation, () => lost.abort(new Error(`the lock on ${dir} was lost`)));
  try {
    if (await isComplete(installation)) return;
    const startedAt = Date.now();
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir);
    await installation.make(signal ? AbortSignal.any([signal, lost.signal]) : lost.signal);
    lost.signal.throwIfAborted();
    const seconds = (Date.now() - startedAt) / 1000;
    await writeFileAtomic(join(dir, MARKER), `${JSON.stringify({ title, seconds })}\n`);
    onProgress(`Installed ${title} in ${seconds.toFixed(0)} s`);
  } finally {
    await release();
  }
}

async function isComplete({ dir, mustExist }: Installation): Promise<boolean> {
  return Promise.all([access(join(dir, MARKER)), access(join(dir, mustExist))]).then(
    () => true,
    () => false,
  );
}

async function acquire(installation: Installation, onCompromised: () => void): Promise<() => Promise<void>> {
  const { dir, title, onProgress, signal, lockStaleMs } = installation;
  for (let first = true; ; first = false) {
    signal?.throwIfAborted();
    try {
      const release = await lock(dir, { realpath: false, stale: lockStaleMs ?? LOCK_STALE_MS, onCompromised });
      return () => release().catch(() => {}); // it does not exist any more if the lock was lost
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error;
      if (first) onProgress(`Waiting for another process that is installing ${title}`);
      await delay(LOCK_POLL_MS, undefined, signal ? { signal } : {});
    }
  }
}
