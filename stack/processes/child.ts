import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';

/** How long a child may take to end after SIGTERM before its whole group is killed. */
const STOP_GRACE_MS = 10_000;

/** How many of a child's last lines of output stay in memory, for error messages. */
const TAIL_LINES = 20;

/**
 * Starts a watcher in the same process group and becomes the command. The watcher reads a pipe that only the owner holds open. When
 * the owner ends, by kill -9 too, the kernel closes the pipe, and the watcher ends the whole group, first with SIGTERM, then with
 * SIGKILL. (Linux has PR_SET_PDEATHSIG for this; macOS has no such thing.)
 */
const GUARD = `
exec 3<&0 </dev/null
(
  trap '' TERM INT HUP
  cat <&3
  kill -TERM 0
  tenths=0
  while kill -0 $$ && [ $tenths -lt ${STOP_GRACE_MS / 100} ]; do tenths=$((tenths + 1)); sleep 0.1; done
  kill -KILL 0
) >/dev/null 2>&1 &
exec "$@" 3<&-
`;

/** What to start, and where its output goes. */
export interface ChildOptions {
  /** For error messages. */
  name: string;
  command: string;
  args?: readonly string[];
  /** Added to this process's own environment. */
  env?: Readonly<Record<string, string>>;
  /** Working directory; default: this process's. */
  cwd?: string;
  /** Standard output and error are appended to this file. Its folder is created. */
  logFile: string;
  /** If true, its standard error is this process's standard error, terminal or not, and is not logged. */
  inheritStderr?: boolean;
  /** Called with each line of standard output. */
  onLine?: (line: string) => void;
  /** Called with each line of standard output and of standard error, in the order of arrival. */
  onAnyLine?: (line: string) => void;
  /** Stops the child when aborted. */
  signal?: AbortSignal | undefined;
}

/** How a child ended. */
interface ChildExit {
  exitCode: number | undefined;
  signal: string | undefined;
}

/** A running program in a process group of its own, which cannot outlive this process. */
export interface Child extends AsyncDisposable {
  readonly name: string;
  /** The process, and the id of its group. */
  readonly pid: number;
  readonly logFile: string;
  /** Settles when the child and everything in its group has ended; never rejects. */
  readonly exited: Promise<ChildExit>;
  /** True until `exited` settles. */
  readonly running: boolean;
  /** The last lines of output, for an error message. */
  tail(): string;
  /** Sends SIGTERM to the child, and SIGKILL to its group after `graceMs`. Returns when all have ended. */
  stop(graceMs?: number): Promise<void>;
  /** Sends SIGKILL to the child's group at once. Returns when all have ended. */
  kill(): Promise<void>;
}

/** Starts a program that ends when this process ends, even if this process is killed. */
export async function startChild(options: ChildOptions): Promise<Child> {
  await mkdir(dirname(options.logFile), { recursive: true });
  options.signal?.throwIfAborted();
  const log = createWriteStream(options.logFile, { flags: 'a' });
  const subprocess = execa('/bin/sh', ['-c', GUARD, options.name, options.command, ...(options.args ?? [])], {
    detached: true, // a group of its own: a Ctrl-C at the terminal reaches only the owner, which then stops in order
    cleanup: false,
    buffer: false,
    reject: false,
    stdin: 'pipe',
    stderr: options.inheritStderr ? 'inherit' : 'pipe',
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd ? { cwd: options.cwd } : {}),
  });
  const { pid } = subprocess;
  if (pid === undefined) {
    const { shortMessage } = await subprocess;
    log.end();
    throw new Error(`${options.name} could not be started: ${shortMessage ?? 'no reason given'}`);
  }
  const lines: string[] = [];
  const outputs = [subprocess.stdout, subprocess.stderr].filter((stream) => stream !== null);
  for (const stream of outputs) {
    stream.pipe(log, { end: false });
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > TAIL_LINES) lines.shift();
      if (stream === subprocess.stdout) options.onLine?.(line);
      options.onAnyLine?.(line);
    });
  }
  subprocess.stdin.on('error', () => {}); // the watcher may be gone before the pipe is closed
  subprocess.nodeChildProcess.once('exit', () => subprocess.stdin.destroy()); // the watcher ends what the child left behind

  let running = true;
  const exited = subprocess.then(async (result): Promise<ChildExit> => {
    running = false;
    // The child's last output may still be on its way to the log.
    await Promise.allSettled(outputs.map((stream) => finished(stream)));
    log.end();
    await finished(log);
    return { exitCode: result.exitCode, signal: result.signal };
  });
  const stop = async (graceMs = STOP_GRACE_MS): Promise<void> => {
    if (!running) return;
    sendSignal(pid, 'SIGTERM');
    const timer = new AbortController();
    await Promise.race([exited, delay(graceMs, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
    if (running) sendSignal(-pid, 'SIGKILL');
    await exited;
  };
  const kill = async (): Promise<void> => {
    if (running) sendSignal(-pid, 'SIGKILL');
    await exited;
  };
  const onAbort = (): void => void stop();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  void exited.then(() => options.signal?.removeEventListener('abort', onAbort));
  return {
    name: options.name,
    pid,
    logFile: options.logFile,
    exited,
    get running() {
      return running;
    },
    tail: () => lines.join('\n'),
    stop,
    kill,
    [Symbol.asyncDispose]: () => stop(),
  };
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has just ended by itself
  }
}
