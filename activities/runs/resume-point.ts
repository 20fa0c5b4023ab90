import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Attempt } from './attempts.ts';
import { inspectCheckpoint } from './inspect-checkpoint.ts';

/** Where a run can go on. */
export interface ResumePoint {
  attempt: Attempt;
  checkpoint: string;
  /** Epochs that are done. */
  epochsDone: number;
}

/**
 * The newest checkpoint of a run's earlier attempts that really loads: sleap-nn does not write `last.ckpt` atomically, so
 * one that a kill or a full disk cut short is passed over for the attempt before. Undefined where there is none.
 */
export async function findResumePoint(
  attempts: readonly Attempt[],
  { python, logger, signal }: { python: string; logger: Logger; signal: AbortSignal },
): Promise<ResumePoint | undefined> {
  for (const attempt of attempts.toReversed()) {
    const checkpoint = join(attempt.runFolder, 'last.ckpt');
    if (!(await exists(checkpoint))) continue;
    const epochsDone = await inspectCheckpoint(checkpoint, { python, signal });
    if (epochsDone !== undefined) return { attempt, checkpoint, epochsDone };
    logger.warn(
      { attempt: attempt.number },
      'the last checkpoint of an earlier attempt does not load; it is passed over',
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
