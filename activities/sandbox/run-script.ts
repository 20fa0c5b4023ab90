import { Writable } from 'node:stream';
import { execa } from 'execa';
import type { FileAccess, Sandbox, SandboxCommand } from './sandbox.ts';

/** A Python script of ours that is run in a sandbox. */
interface Script {
  /** Python's arguments, e.g. `['-S', PROGRAM, FILE]`. */
  args: readonly string[];
  /** The script's own files. */
  scripts: readonly string[];
  access: FileAccess;
  /** What it reads from stdin. */
  input?: string;
  timeoutMs: number;
  signal?: AbortSignal;
}

/** How a script ended. */
export interface ScriptEnd {
  failed: boolean;
  isCanceled: boolean;
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}

/** Runs a script to its end. Never rejects. */
export function runScript(sandbox: Sandbox, { args, scripts, access, ...options }: Script): Promise<ScriptEnd> {
  return runCommand(sandbox.command(args, scripts, access), options);
}

/** Runs a command of a sandbox to its end. Never rejects. */
export async function runCommand(
  { file, args, env, filter }: SandboxCommand,
  { input, timeoutMs, signal }: Pick<Script, 'input' | 'timeoutMs' | 'signal'>,
): Promise<ScriptEnd> {
  const subprocess = execa(file, args, {
    stdio: ['pipe', 'pipe', 'pipe', 'ignore', filter === undefined ? 'ignore' : 'pipe'],
    extendEnv: false,
    env,
    timeout: timeoutMs,
    ...(signal === undefined ? {} : { cancelSignal: signal }),
    reject: false,
  });
  sendFilter(subprocess.stdio[4], filter);
  subprocess.stdin.on('error', () => undefined); // EPIPE: its exit code says why
  subprocess.stdin.end(input);
  const { failed, isCanceled, exitCode, stdout, stderr, shortMessage } = await subprocess;
  // A program that is missing writes nothing itself.
  return { failed, isCanceled, exitCode, stdout, stderr: stderr === '' && failed ? (shortMessage ?? '') : stderr };
}

/** Hands bwrap its filter of system calls over the pipe with file descriptor 4. */
export function sendFilter(pipe: unknown, filter: Buffer | undefined): void {
  if (filter === undefined || !(pipe instanceof Writable)) return;
  pipe.on('error', () => undefined); // EPIPE: bwrap did not start
  pipe.end(filter);
}
