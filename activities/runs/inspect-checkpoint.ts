import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { z } from 'zod';
import { runScript, type Sandbox } from '../sandbox/index.ts';
import type { Attempt } from './attempts.ts';

const INSPECT = fileURLToPath(new URL('inspect_checkpoint.py', import.meta.url));
/** It takes as long as reading the file; a disk that needs longer than this cannot train either. */
const INSPECT_TIMEOUT_MS = 120_000;

const Inspected = z.object({ epoch: z.int().min(0) });

/** The point from which a run can resume. */
export interface ResumePoint {
  attempt: Attempt;
  checkpoint: string;
  /** Epochs that are done. */
  epochsDone: number;
}

/**
 * Checks whether a checkpoint is whole: sleap-nn does not write it atomically, so a kill, a full disk or a copy made at that moment
 * can cut it short.
 * @returns the epochs that are done in it; undefined if it is not whole
 */
export async function inspectCheckpoint(
  checkpoint: string,
  { sandbox, signal }: { sandbox: Sandbox; signal: AbortSignal },
): Promise<number | undefined> {
  // Without site-packages and their start-up hooks: the script needs Python itself only.
  const result = await runScript(sandbox, {
    args: ['-S', '-E', INSPECT, checkpoint],
    scripts: [INSPECT],
    access: { read: [checkpoint], write: [] },
    timeoutMs: INSPECT_TIMEOUT_MS,
    signal,
  });
  signal.throwIfAborted();
  const inspected = result.exitCode === 0 ? Inspected.safeParse(parseJson(result.stdout)) : undefined;
  return inspected?.success ? inspected.data.epoch + 1 : undefined;
}

/**
 * The newest checkpoint of a run's earlier attempts that is whole. Returns undefined if there is none.
 */
export async function findResumePoint(
  attempts: readonly Attempt[],
  { sandbox, logger, signal }: { sandbox: Sandbox; logger: Logger; signal: AbortSignal },
): Promise<ResumePoint | undefined> {
  for (const attempt of attempts.toReversed()) {
    const checkpoint = join(attempt.runFolder, 'last.ckpt');
    if (!(await exists(checkpoint))) continue;
    const epochsDone = await inspectCheckpoint(checkpoint, { sandbox, signal });
    if (epochsDone !== undefined) return { attempt, checkpoint, epochsDone };
    logger.warn(
      { attempt: attempt.number },
      'the last checkpoint of an earlier attempt is damaged; the one before is tried',
    );
  }
  return undefined;
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
