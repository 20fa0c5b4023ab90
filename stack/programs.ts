import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Child } from './processes/child.ts';
import { startProcess } from './processes/process.ts';

/** How long our workers may take to finish or hand over their jobs before they are killed. */
const WORKER_GRACE_MS = 20_000;

const Ready = z.object({ event: z.literal('ready') });

/** Returns true if a line of a program's log says that it is ready. */
export function isReady(line: unknown): true | undefined {
  return Ready.safeParse(line).success ? true : undefined;
}

interface ProgramsOptions {
  dir: string;
  /** Programs that end after its abort were expected to end. */
  signal: AbortSignal;
  /** Called if a program ends by itself. */
  onUnexpectedExit: ((message: string) => void) | undefined;
}

/** Our own programs of a stack, by name: `signaling`, `control`, and the workers' names. */
export class Programs {
  readonly #options: ProgramsOptions;
  readonly #running = new Map<string, Child>();

  constructor(options: ProgramsOptions) {
    this.#options = options;
  }

  /**
   * Starts a program.
   * @param file from the repository's root
   * @param announced returns what the program announces in the line that makes it ready
   */
  async start<T>(
    name: string,
    file: string,
    env: Record<string, string>,
    announced: (line: unknown) => T | undefined,
  ): Promise<Child & { announced: T }> {
    const { dir, signal, onUnexpectedExit } = this.#options;
    const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
    const args = ['--disable-warning=ExperimentalWarning', path];
    const child = await startProcess({ name, command: process.execPath, args, env, dir, ready: announced, signal });
    this.#running.set(name, child);
    void child.exited.then(({ exitCode, signal: by }) => {
      this.#running.delete(name);
      if (signal.aborted || by === 'SIGTERM' || exitCode === 0) return;
      onUnexpectedExit?.(`${name} ended (${by ?? `exit code ${exitCode}`}); its log: ${child.logFile}`);
    });
    return child;
  }

  isRunning(name: string): boolean {
    return this.#running.has(name);
  }

  pids(): Record<string, number> {
    return Object.fromEntries([...this.#running].map(([name, { pid }]) => [name, pid]));
  }

  /** Ends a program with kill -9. */
  async kill(name: string): Promise<void> {
    await this.#running.get(name)?.kill();
  }

  /** Ends a worker with SIGTERM, and with SIGKILL after its grace period. */
  stopWorker(worker: Child): Promise<void> {
    return worker.stop(WORKER_GRACE_MS);
  }

  /** Ends all programs, the server last, since the workers report to it until they end. */
  async stop(): Promise<void> {
    const workers = [...this.#running].filter(([name]) => name !== 'signaling').map(([, child]) => child);
    await Promise.all(workers.map((worker) => this.stopWorker(worker)));
    await this.#running.get('signaling')?.stop();
  }
}
