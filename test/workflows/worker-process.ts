import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

/** A fake worker in a process of its own, which can be killed. */
export interface WorkerProcess {
  /** Names of the activities that have begun there. */
  readonly calls: readonly string[];
  /** Resolves when an activity of this name has begun (or `ready`). */
  reached(activity: string): Promise<void>;
  /** kill -9: the worker cannot clean up. */
  kill(): Promise<void>;
  /** SIGTERM, as a cluster sends it to evict the worker. */
  evict(): Promise<void>;
}

/** Starts a fake worker in a process of its own. It stays in the activity `stallIn` forever. Resolves when it takes work. */
export async function startWorkerProcess(
  address: string,
  { room, name, stallIn }: { room: string; name: string; stallIn?: string },
): Promise<WorkerProcess> {
  const main = fileURLToPath(new URL('./fake-worker-main.ts', import.meta.url));
  const args = [address, room, name, ...(stallIn === undefined ? [] : [stallIn])];
  const child = execa(process.execPath, [main, ...args], { reject: false, stderr: 'ignore', buffer: false });
  const calls: string[] = [];
  const waiting = new Map<string, PromiseWithResolvers<void>>();
  const reached = (activity: string): Promise<void> => {
    const entry = waiting.get(activity) ?? Promise.withResolvers<void>();
    waiting.set(activity, entry);
    if (calls.includes(activity)) entry.resolve();
    return entry.promise;
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    calls.push(line);
    waiting.get(line)?.resolve();
  });
  await Promise.race([
    reached('ready'),
    child.then(() => Promise.reject(new Error('the fake worker ended before it was ready'))),
  ]);
  const end = (signal: 'SIGKILL' | 'SIGTERM') => async () => {
    child.kill(signal);
    await child;
  };
  return { calls, reached, kill: end('SIGKILL'), evict: end('SIGTERM') };
}
