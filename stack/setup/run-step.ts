import { SleapRtcError } from '../../protocol/errors.ts';
import { startChild } from '../processes/child.ts';

/** One command of an installation. */
export interface Step {
  command: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  logFile: string;
  signal?: AbortSignal | undefined;
}

/**
 * Runs a command to its end. It ends with this process, so that it writes nothing while a later try runs.
 * @param what for the error: "sleap-nn could not be installed"
 */
export async function runStep(what: string, step: Step): Promise<void> {
  const child = await startChild({ name: what, ...step });
  const { exitCode } = await child.exited;
  step.signal?.throwIfAborted();
  if (exitCode === 0) return;
  throw new SleapRtcError('SETUP_FAILED', `${what}.\n${child.tail()}`.trim(), {
    remedy: `Read ${step.logFile}; check the network and pip's configuration, then run the same command again.`,
  });
}
