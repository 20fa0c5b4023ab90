import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Attempt } from './attempts.ts';
import { childEnvironment } from './child-environment.ts';

const INSPECT = fileURLToPath(new URL('inspect_checkpoint.py', import.meta.url));
/** Loading takes 3 s plus the time to read the file; a disk that takes longer than this will not train either. */
const INSPECT_TIMEOUT_MS = 120_000;

const Inspected = z.object({ epoch: z.int().min(0) });

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
    const result = await execa(python, [INSPECT, checkpoint], {
      reject: false,
      timeout: INSPECT_TIMEOUT_MS,
      cancelSignal: signal,
      extendEnv: false,
      env: childEnvironment(),
    });
    signal.throwIfAborted();
    const inspected = result.exitCode === 0 ? Inspected.safeParse(parseJson(result.stdout)) : undefined;
    if (inspected?.success) return { attempt, checkpoint, epochsDone: inspected.data.epoch + 1 };
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
