import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { childEnvironment } from '../../processes/child-environment.ts';

const PROGRAM = fileURLToPath(new URL('name_source.py', import.meta.url));

/** The script rewrites a few lines of JSON. A disk that hangs must not block the job forever. In milliseconds. */
const TIMEOUT_MS = 120_000;

/**
 * Replaces `input` in the predictions by the researcher's own file. The path is written as text and never opened here.
 * @throws SleapRtcError PREDICTION_FAILED; the signal's reason if it is aborted
 */
export async function nameSource(options: {
  python: string;
  predictions: string;
  /** What sleap-nn called the file. */
  input: string;
  /** What the researcher calls it. */
  path: string;
  signal: AbortSignal;
}): Promise<void> {
  const { python, predictions, input, path, signal } = options;
  const { failed, isCanceled, stderr } = await execa(python, [PROGRAM, predictions], {
    input: JSON.stringify({ input, path }),
    extendEnv: false,
    env: childEnvironment(),
    timeout: TIMEOUT_MS,
    cancelSignal: signal,
    reject: false,
  });
  if (isCanceled) signal.throwIfAborted();
  if (!failed) return;
  const why = stderr.trim().split('\n').at(-1) ?? '';
  throw new SleapRtcError('PREDICTION_FAILED', `The predictions could not be given the name of your file: ${why}.`);
}
