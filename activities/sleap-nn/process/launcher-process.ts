import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { z } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { childEnvironment } from '../../processes/child-environment.ts';

const LAUNCHER = fileURLToPath(new URL('launcher.py', import.meta.url));

/** The argument by which a worker recognizes its own sleap-nn processes, even after a restart. */
export function ownerArgument(workDir: string): string {
  return `--owner=${workDir}`;
}

/** How much of the output before the log is open is remembered to explain a failed start, in characters. */
const EARLY_OUTPUT_CHARS = 4000;

const ControlEvent = z.discriminatedUnion('event', [
  z.object({ event: z.literal('warm') }),
  z.object({ event: z.literal('started'), pid: z.int() }),
  z.object({ event: z.literal('exited'), code: z.int().nullable(), signal: z.int().nullable() }),
]);

/** One sleap-nn command. */
export interface SleapNnCommand {
  /** Arguments after `sleap-nn`, e.g. `['train', 'config.yaml']`. */
  argv: readonly string[];
  /** Paths in `argv` and in configs are relative to this folder. */
  cwd: string;
  /** Absolute path of the file to which output is appended. */
  logFile: string;
  /** For temporary files, on the same disk as the results: sleap-nn moves checkpoints from there. Must exist. */
  tmpDir: string;
  /** Set to receive stdout line by line (`predict --gui`); otherwise it goes to the log. */
  onLine?: (line: string) => void;
}

/** How sleap-nn ended. Exactly one of the two is a number. */
export interface SleapNnExit {
  code: number | null;
  signal: number | null;
}

/**
 * One `launcher.py`: a process group that runs one command and then ends. It ends with this process at the latest.
 * The caller must call `run` or `kill`.
 */
export class LauncherProcess {
  /** Resolves when the imports are done (only with `warm`); rejects if the process ends first. */
  readonly warm: Promise<void>;
  /** Never rejects. Resolves when the process and its output have ended. */
  readonly exited: Promise<SleapNnExit>;
  #subprocess;
  #groupId: number | undefined;
  #exit: SleapNnExit | undefined;
  #earlyOutput = '';
  #onLine: ((line: string) => void) | undefined;
  #started = Promise.withResolvers<void>();

  /**
   * @param options `python` with sleap-nn installed; `warm` to import before the command is known; `workDir` of the worker, by
   *   which the process is recognized
   */
  constructor(options: { python: string; warm: boolean; workDir?: string | undefined }) {
    const { python, warm, workDir } = options;
    const args = [...(warm ? ['--warm'] : []), ...(workDir === undefined ? [] : [ownerArgument(workDir)])];
    this.#subprocess = execa(python, ['-u', LAUNCHER, ...args], {
      // Its own session and so its own process group, which is killed as a whole. A terminal's Ctrl-C reaches only the worker.
      detached: true,
      // It ends with us because its stdin closes, even if no exit handler can run.
      cleanup: false,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      buffer: false,
      reject: false,
      extendEnv: false,
      env: childEnvironment(),
    });
    this.#groupId = this.#subprocess.pid;
    const imported = Promise.withResolvers<void>();
    this.warm = imported.promise;
    this.warm.catch(() => undefined);
    this.#started.promise.catch(() => undefined);
    this.#subprocess.stdin.on('error', () => undefined); // EPIPE: `exited` reports the end
    this.#subprocess.stderr.on('data', (chunk: Buffer) => {
      this.#earlyOutput = (this.#earlyOutput + chunk.toString()).slice(-EARLY_OUTPUT_CHARS);
    });
    createInterface({ input: this.#subprocess.stdout }).on('line', (line) => this.#onLine?.(line));
    const control = this.#subprocess.stdio[3] as unknown as Readable;
    createInterface({ input: control }).on('line', (line) => {
      const message = parseControlEvent(line);
      if (message?.event === 'warm') imported.resolve();
      else if (message?.event === 'started') this.#started.resolve();
      else if (message?.event === 'exited') this.#exit = { code: message.code, signal: message.signal };
    });
    this.exited = this.#subprocess.then((result) => {
      this.#groupId = undefined;
      const startFailure = new SleapRtcError(
        'INTERNAL',
        `sleap-nn could not be started. ${this.#earlyOutput.trim().split('\n').at(-1) ?? ''}`,
        {
          cause: result,
        },
      );
      imported.reject(startFailure);
      this.#started.reject(startFailure);
      return this.#exit ?? { code: result.exitCode ?? null, signal: result.exitCode === undefined ? 9 : null };
    });
  }

  /** The process group's id; undefined once it has ended. */
  get pid(): number | undefined {
    return this.#groupId;
  }

  /**
   * Runs the command. May be called once. Resolves when sleap-nn has begun.
   * @throws SleapRtcError INTERNAL if the process ends first
   */
  async run(command: SleapNnCommand): Promise<void> {
    this.#onLine = command.onLine;
    const job = {
      argv: command.argv,
      cwd: command.cwd,
      env: { TMPDIR: command.tmpDir },
      log: command.logFile,
      lines: command.onLine !== undefined,
    };
    this.#subprocess.stdin.write(`${JSON.stringify(job)}\n`);
    await this.#started.promise;
  }

  /**
   * Ends the whole group: SIGTERM, then SIGKILL for what is left after `graceMs`. Resolves when no process is left.
   */
  async terminate(graceMs: number): Promise<SleapNnExit> {
    this.#signalGroup('SIGTERM');
    const timer = setTimeout(() => this.kill(), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the whole group at once. */
  kill(): void {
    this.#signalGroup('SIGKILL');
  }

  #signalGroup(signal: NodeJS.Signals): void {
    if (this.#groupId === undefined) return;
    try {
      process.kill(-this.#groupId, signal);
    } catch {
      // ESRCH: it ended between the check and the signal.
    }
  }
}

function parseControlEvent(line: string): z.infer<typeof ControlEvent> | undefined {
  try {
    return ControlEvent.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
