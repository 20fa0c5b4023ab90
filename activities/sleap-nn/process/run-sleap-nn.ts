import { appendFile } from 'node:fs/promises';
import type { Sandbox } from '../../sandbox/index.ts';
import { LauncherProcess, type SleapNnCommand, type SleapNnExit, withLog } from './launcher-process.ts';
import type { WarmTrainer } from './warm-trainer.ts';

/** sleap-nn ends within 2 s after SIGTERM; after this time it is killed. */
const TERMINATE_GRACE_MS = 8_000;

/** A sleap-nn that is running. */
export interface RunningSleapNn {
  /** True if its imports had been done before. */
  readonly wasWarm: boolean;
  /** The process below which all of its processes are; undefined once it has ended. */
  readonly pid: number | undefined;
  /** Resolves when it has ended by itself or was terminated; never rejects. */
  readonly exited: Promise<SleapNnExit>;
  /** Asks a training to end after this batch, save its best checkpoint, and run the final evaluation. May be called again. */
  stop(): void;
  /** Sends SIGTERM to the process group, and SIGKILL after `graceMs`; resolves when none of its processes runs. */
  terminate(graceMs: number): Promise<SleapNnExit>;
}

/**
 * Starts one sleap-nn command in its own process group, which ends with this process even if that is killed with -9.
 * @param options `sandbox` with sleap-nn's Python; `workDir` of the worker, by which it finds the process again; `spare` to use a process whose
 *   imports are done, if there is one
 * @throws SleapRtcError INTERNAL if Python could not be started
 */
export async function startSleapNn(
  options: SleapNnCommand & { sandbox: Sandbox; workDir?: string; spare?: WarmTrainer | undefined },
): Promise<RunningSleapNn> {
  const { sandbox, workDir, spare, ...command } = options;
  await appendFile(command.logFile, '');
  const taken = spare?.take();
  if (taken !== undefined) {
    try {
      return await start(taken.launcher, command, taken.isWarm);
    } catch {
      // The spare died before it began: nothing has been done yet, so a fresh one is as good.
    }
  }
  return start(new LauncherProcess({ sandbox, workDir, warm: false, access: withLog(command) }), command, false);
}

/** Waits until sleap-nn has ended. An abort terminates it; the end is waited for all the same. */
export async function untilExit(sleapNn: RunningSleapNn, signal: AbortSignal): Promise<SleapNnExit> {
  const onAbort = () => void sleapNn.terminate(TERMINATE_GRACE_MS);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await sleapNn.exited;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function start(launcher: LauncherProcess, command: SleapNnCommand, wasWarm: boolean): Promise<RunningSleapNn> {
  await launcher.run(command);
  return {
    wasWarm,
    get pid() {
      return launcher.pid;
    },
    exited: launcher.exited,
    stop: () => launcher.stop(),
    terminate: (graceMs) => launcher.terminate(graceMs),
  };
}
