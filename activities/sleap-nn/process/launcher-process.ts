import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { z } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { type FileAccess, LATE_MOUNTS, type Sandbox, sendFilter } from '../../sandbox/index.ts';
import { parseTrainingEvent, type TrainingEvent } from './training-event.ts';

const beside = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const LAUNCHER = beside('launcher.py');
const SCRIPTS = [LAUNCHER, beside('training_events.py'), beside('own_videos.py'), LATE_MOUNTS];

/** The argument by which a worker recognizes its own sleap-nn processes, even after a restart. */
export function ownerArgument(workDir: string): string {
  return `--owner=${workDir}`;
}

/** Longest line of sleap-nn's stdout that is passed on, in characters. Models are code, and may print without end. */
const MAX_LINE_CHARS = 64 * 1024;

/** How much of the output before the log is open is remembered to explain a failed start, in characters. */
const EARLY_OUTPUT_CHARS = 4000;

const ControlEvent = z.discriminatedUnion('event', [
  z.object({ event: z.literal('warm') }),
  z.object({ event: z.literal('started') }),
  z.object({ event: z.literal('training'), message: z.string() }),
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
  /** More variables of its environment. */
  env?: Readonly<Record<string, string>>;
  /** The files of the job that it needs, without `logFile`. Nothing else of the worker's folder is visible in a sandbox. */
  access: FileAccess;
  /** Set to receive stdout line by line (`predict --gui`); otherwise it goes to the log. */
  onLine?: (line: string) => void;
  /** Set to receive the events of a training. */
  onTrainingEvent?: (event: TrainingEvent) => void;
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
  #onTrainingEvent: ((event: TrainingEvent) => void) | undefined;
  #started = Promise.withResolvers<void>();
  readonly #sandbox: Sandbox;
  /** True if the sandbox gets the job's files with the job. */
  readonly #waitsForFiles: boolean;

  /**
   * @param options `warm` to import before the command is known; `workDir` of the worker, by which the process is recognized;
   *   `access` if the command is known, for a process that is not warm
   */
  constructor(options: { sandbox: Sandbox; warm: boolean; workDir?: string | undefined; access?: FileAccess }) {
    const { sandbox, warm, workDir, access } = options;
    this.#sandbox = sandbox;
    this.#waitsForFiles = sandbox.isolates && access === undefined;
    const args = [
      ...(warm ? ['--warm'] : []),
      ...(this.#waitsForFiles ? ['--waits-for-files'] : []),
      ...(workDir === undefined ? [] : [ownerArgument(workDir)]),
    ];
    const command = sandbox.launch(['-u', LAUNCHER, ...args], SCRIPTS, access);
    this.#subprocess = execa(command.file, command.args, {
      // Its own session and so its own process group, which is killed as a whole. A terminal's Ctrl-C reaches only the worker.
      detached: true,
      // It ends with us because its stdin closes, even if no exit handler can run.
      cleanup: false,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe', command.filter === undefined ? 'ignore' : 'pipe'],
      buffer: false,
      reject: false,
      extendEnv: false,
      env: command.env,
    });
    sendFilter(this.#subprocess.stdio[4], command.filter);
    this.#groupId = this.#subprocess.pid;
    const imported = Promise.withResolvers<void>();
    this.warm = imported.promise;
    this.warm.catch(() => undefined);
    this.#started.promise.catch(() => undefined);
    this.#subprocess.stdin.on('error', () => undefined); // EPIPE: `exited` reports the end
    this.#subprocess.stderr.on('data', (chunk: Buffer) => {
      this.#earlyOutput = (this.#earlyOutput + chunk.toString()).slice(-EARLY_OUTPUT_CHARS);
    });
    readLines(this.#subprocess.stdout, (line) => this.#onLine?.(line));
    const control = this.#subprocess.stdio[3] as unknown as Readable;
    createInterface({ input: control }).on('line', (line) => {
      const message = parseControlEvent(line);
      if (message?.event === 'warm') imported.resolve();
      else if (message?.event === 'started') this.#started.resolve();
      else if (message?.event === 'training') this.#report(message.message);
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
    this.#onTrainingEvent = command.onTrainingEvent;
    const job = {
      argv: command.argv,
      cwd: command.cwd,
      env: { ...command.env, TMPDIR: command.tmpDir },
      log: command.logFile,
      lines: command.onLine !== undefined,
      events: command.onTrainingEvent !== undefined,
      ...(this.#waitsForFiles ? { access: this.#sandbox.lateAccess(withLog(command)) } : {}),
    };
    this.#subprocess.stdin.write(`${JSON.stringify(job)}\n`);
    await this.#started.promise;
  }

  /** Asks a training to end after this batch, save its best checkpoint, and run the final evaluation. May be called again. */
  stop(): void {
    if (this.#groupId !== undefined) this.#subprocess.stdin.write('stop\n');
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

  #report(message: string): void {
    const event = parseTrainingEvent(message);
    if (event !== undefined) this.#onTrainingEvent?.(event);
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

/** Passes on each line. Of a line that is too long nothing is remembered or passed on. */
function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  let skipping = false;
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!skipping && line.length <= MAX_LINE_CHARS) onLine(line);
      skipping = false;
    }
    skipping ||= rest.length > MAX_LINE_CHARS;
    if (skipping) rest = '';
  });
}

/** What the command needs of the worker's folder, its log included, which must exist. */
export function withLog({ access, logFile }: Pick<SleapNnCommand, 'access' | 'logFile'>): FileAccess {
  return { read: access.read, write: [...access.write, logFile] };
}

function parseControlEvent(line: string): z.infer<typeof ControlEvent> | undefined {
  try {
    return ControlEvent.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
