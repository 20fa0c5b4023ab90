import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { z } from 'zod';
import { childEnvironment } from '../processes/child-environment.ts';

const INSPECT = fileURLToPath(new URL('inspect_checkpoint.py', import.meta.url));
/** It takes as long as reading the file does; a disk that takes longer than this will not train either. */
const INSPECT_TIMEOUT_MS = 120_000;

const Inspected = z.object({ epoch: z.int().min(0) });

/**
 * Looks whether a checkpoint is whole: sleap-nn does not write it atomically, so a kill, a full disk or a copy made meanwhile
 * can cut it short.
 * @returns the epochs that are done in it; undefined where it is not whole
 */
export async function inspectCheckpoint(
  checkpoint: string,
  { python, signal }: { python: string; signal: AbortSignal },
): Promise<number | undefined> {
  // Without site-packages and their start-up hooks: the script needs Python itself only.
  const result = await execa(python, ['-S', '-E', INSPECT, checkpoint], {
    reject: false,
    timeout: INSPECT_TIMEOUT_MS,
    cancelSignal: signal,
    extendEnv: false,
    env: childEnvironment(),
  });
  signal.throwIfAborted();
  const inspected = result.exitCode === 0 ? Inspected.safeParse(parseJson(result.stdout)) : undefined;
  return inspected?.success ? inspected.data.epoch + 1 : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
