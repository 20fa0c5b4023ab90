import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { runCommand, type ScriptEnd } from './run-script.ts';
import { LATE_MOUNTS, Sandbox } from './sandbox.ts';

/** The admin's choice: `auto` isolates if the machine can, `required` refuses to start otherwise. */
export const SandboxMode = z.enum(['auto', 'required', 'off']);
export type SandboxMode = z.infer<typeof SandboxMode>;

/** What the room sees of a worker's sandbox. */
export type SandboxState = 'on' | 'off' | 'unavailable';

/** A worker's sandbox, checked. */
export interface OpenSandbox {
  sandbox: Sandbox;
  state: SandboxState;
  /** True if a process may be started before its job is known. */
  canWait: boolean;
}

const CHECK_TIMEOUT_MS = 60_000;
/** A trivial program; with a GPU, one that finds the GPU. */
const CHECK = `
import subprocess, sys
if "gpu" in sys.argv: subprocess.run(["nvidia-smi", "-L"], check=True, stdout=subprocess.DEVNULL)
print("works")
`;

/**
 * Opens the worker's sandbox, once, when the worker starts. Whether it works is found out by running a trivial program in it.
 * @param options.hasGpu the GPU must be visible in the sandbox too
 * @throws SleapRtcError USAGE if the sandbox is required and does not work
 */
export async function openSandbox(options: {
  mode: SandboxMode;
  python: string;
  workDir: string;
  hasGpu: boolean;
  logger: Logger;
}): Promise<OpenSandbox> {
  const { mode, python, workDir, hasGpu, logger } = options;
  const none = { sandbox: Sandbox.none(python), canWait: true };
  if (mode === 'off') {
    logger.warn({ event: 'sandbox', state: 'off' }, 'sleap-nn is not isolated: SLEAP_RTC_SANDBOX is off');
    return { ...none, state: 'off' };
  }
  try {
    const { sandbox, proc } = await firstThatWorks({ python, workDir, hasGpu });
    const late = await tryLateMounts(sandbox, workDir);
    const canWait = late === undefined;
    logger.info({ event: 'sandbox', state: 'on', proc, warm_trainer: canWait, ...(canWait ? {} : { reason: late }) });
    return { sandbox, state: 'on', canWait };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (mode === 'required') {
      throw new SleapRtcError(
        'USAGE',
        `SLEAP_RTC_SANDBOX is "required", but the sandbox does not work here: ${reason}`,
        {
          remedy: 'Install bubblewrap and allow user namespaces (docs/admins.md, Sandbox), or set it to "auto".',
        },
      );
    }
    logger.warn(
      { event: 'sandbox', state: 'unavailable', reason },
      'sleap-nn is not isolated: the sandbox does not work here',
    );
    return { ...none, state: 'unavailable' };
  }
}

/** @throws the reason why the second does not work if none does */
async function firstThatWorks({ hasGpu, ...options }: { python: string; workDir: string; hasGpu: boolean }) {
  const own = await Sandbox.of({ ...options, proc: 'own' });
  const ended = await tryProgram(own, hasGpu);
  if (!ended.failed) return { sandbox: own, proc: 'own' };
  const shared = await Sandbox.of({ ...options, proc: 'worker' });
  throwIfFailed(await tryProgram(shared, hasGpu), 'works');
  return { sandbox: shared, proc: 'worker' };
}

function tryProgram(sandbox: Sandbox, hasGpu: boolean): Promise<ScriptEnd> {
  const args = ['-S', '-E', '-c', CHECK, ...(hasGpu ? ['gpu'] : [])];
  return runCommand(sandbox.launch(args, [], { read: [], write: [] }), { timeoutMs: CHECK_TIMEOUT_MS });
}

/** @returns why a process that waits for its job cannot be given the job's files here */
async function tryLateMounts(sandbox: Sandbox, workDir: string): Promise<string | undefined> {
  const access = sandbox.lateAccess({ read: [], write: [join(workDir, 'jobs')] });
  const command = sandbox.launch(['-S', '-E', LATE_MOUNTS], [LATE_MOUNTS]);
  const ended = await runCommand(command, { input: `${JSON.stringify(access)}\n`, timeoutMs: CHECK_TIMEOUT_MS });
  try {
    throwIfFailed(ended, '["jobs"]');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function throwIfFailed({ failed, stdout, stderr }: ScriptEnd, expected: string): void {
  if (!failed && stdout.trim() === expected) return;
  throw new SleapRtcError('INTERNAL', stderr.trim().split('\n').at(-1) || 'the trial program printed something else');
}
