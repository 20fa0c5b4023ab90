import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import { untilReady } from './until-ready.ts';

/** One of our own programs: it logs JSON lines on standard output, one of which says that it is ready. */
export interface ProcessOptions<T> {
  /** Names the log file too. */
  name: string;
  command: string;
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** The working directory. The log is `dir/logs/NAME.log`. */
  dir: string;
  /** Called with each line of the log, parsed. Returns what the process announces in the line that makes it ready. */
  ready: (line: unknown) => T | undefined;
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
}

/** A running process that is ready. */
export interface Process<T> extends Child {
  /** What it announced: its addresses. */
  readonly announced: T;
}

/**
 * Starts one of our own programs and waits until it is ready.
 * @throws SleapRtcError INTERNAL with the last lines of its log, if it ends before that or is not ready in time
 */
export async function startProcess<T>(options: ProcessOptions<T>): Promise<Process<T>> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const child = await startChild({
    name: options.name,
    command: options.command,
    args: options.args ?? [],
    env: options.env ?? {},
    cwd: options.dir,
    logFile: join(options.dir, 'logs', `${options.name}.log`),
    onLine: (text) => {
      const line = parseJsonLine(text);
      if (line === undefined) return;
      try {
        const announced = options.ready(line);
        if (announced !== undefined) resolve(announced);
      } catch (error) {
        reject(error as Error); // a ready line that lacks what it should carry
      }
    },
    signal: options.signal,
  });
  const timeout = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs };
  const announced = await untilReady(child, promise, { signal: options.signal, ...timeout });
  return Object.assign(child, { announced });
}

/** Node itself and its libraries may write plain text between our JSON lines. */
function parseJsonLine(text: string): unknown {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
