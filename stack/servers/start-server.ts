import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, startChild } from '../processes/child.ts';
import { untilReady } from '../processes/until-ready.ts';

const PORT_ATTEMPTS = 5;
const POLL_MS = 50;

/** One try at starting a server, on ports chosen for this try. */
export interface ServerAttempt<T> {
  command: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** A line of the server's own output that shows that it, and not a stranger on the same port, listens. */
  listening?: RegExp;
  /** Asks the server whether it is healthy; throws or returns undefined while it is not. */
  healthy: (signal: AbortSignal) => Promise<T | undefined>;
}

/** What all servers of the stack have in common. */
export interface ServerOptions {
  /** Data goes here, and logs to `dir/logs/NAME.log`. */
  dir: string;
  /** Stops the server when aborted. */
  signal?: AbortSignal | undefined;
}

/** A server that runs. */
export interface RunningServer<T> {
  /** The process that serves now: another one after a restart. */
  readonly child: Child;
  readonly health: T;
  /** Ends the whole group with kill -9. */
  kill(): Promise<void>;
  /** Starts it again at the same address, on the data that it left; returns when it is healthy. Does nothing while it runs. */
  restart(): Promise<void>;
  /** Ends the present process, if there is one. */
  stop(): Promise<void>;
}

/**
 * Starts a server that cannot choose its own port: if it ends because a port was taken meanwhile, other ports are tried.
 * @param attempt chooses ports and returns how to start on them
 */
export async function startServer<T>(
  name: string,
  options: ServerOptions,
  attempt: () => Promise<ServerAttempt<T>>,
): Promise<RunningServer<T>> {
  for (let tries = 1; ; tries++) {
    const server = await attempt();
    const first = await startOnce(name, options, server);
    if ('health' in first)
      return running(first.child, first.health, async () => {
        const next = await startOnce(name, options, server);
        if ('error' in next) throw next.error;
        return next.child;
      });
    const portTaken = /address already in use|EADDRINUSE|port .*not available|bind: /i.test(first.child.tail());
    if (!portTaken || tries === PORT_ATTEMPTS || options.signal?.aborted) throw first.error;
  }
}

function running<T>(first: Child, health: T, start: () => Promise<Child>): RunningServer<T> {
  let child = first;
  return {
    get child() {
      return child;
    },
    health,
    kill: () => child.kill(),
    stop: () => child.stop(),
    async restart() {
      if (!child.running) child = await start();
    },
  };
}

/** @returns the child, and its health, or the error if it did not become healthy; it has ended then */
async function startOnce<T>(
  name: string,
  options: ServerOptions,
  server: ServerAttempt<T>,
): Promise<{ child: Child; health: T } | { child: Child; error: unknown }> {
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  if (server.listening === undefined) resolve();
  const child = await startChild({
    name,
    command: server.command,
    args: server.args,
    ...(server.env ? { env: server.env } : {}),
    ...(server.cwd ? { cwd: server.cwd } : {}),
    logFile: join(options.dir, 'logs', `${name}.log`),
    onAnyLine: (line) => {
      if (server.listening?.test(line)) resolve();
    },
    signal: options.signal,
  });
  const polling = new AbortController();
  try {
    const ready = listening.then(() => poll(server.healthy, polling.signal));
    return { child, health: await untilReady(child, ready, { signal: options.signal }) };
  } catch (error) {
    return { child, error };
  } finally {
    polling.abort();
  }
}

async function poll<T>(healthy: (signal: AbortSignal) => Promise<T | undefined>, signal: AbortSignal): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    const health = await healthy(signal).catch(() => undefined);
    if (health !== undefined) return health;
    await delay(POLL_MS, undefined, { signal });
  }
}
