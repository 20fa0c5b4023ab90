import { fileURLToPath } from 'node:url';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { runScript, type Sandbox } from '../../sandbox/index.ts';

const PROGRAM = fileURLToPath(new URL('name_source.py', import.meta.url));

/** The script rewrites a few lines of JSON. A disk that hangs must not block the job forever. In milliseconds. */
const TIMEOUT_MS = 120_000;

/**
 * Replaces `input` in the predictions by the researcher's own file. The path is written as text and never opened here.
 * @throws SleapRtcError PREDICTION_FAILED; the signal's reason if it is aborted
 */
export async function nameSource(options: {
  sandbox: Sandbox;
  predictions: string;
  /** What sleap-nn called the file. */
  input: string;
  /** What the researcher calls it. */
  path: string;
  signal: AbortSignal;
}): Promise<void> {
  const { sandbox, predictions, input, path, signal } = options;
  const { failed, isCanceled, stderr } = await runScript(sandbox, {
    args: [PROGRAM, predictions],
    scripts: [PROGRAM],
    access: { read: [], write: [predictions] },
    input: JSON.stringify({ input, path }),
    timeoutMs: TIMEOUT_MS,
    signal,
  });
  if (isCanceled) signal.throwIfAborted();
  if (!failed) return;
  const why = stderr.trim().split('\n').at(-1) ?? '';
  throw new SleapRtcError('PREDICTION_FAILED', `The predictions could not be given the name of your file: ${why}.`);
}
