import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { type Speaking, Transcript } from './transcript.ts';

/** Shared by all runs, as on a researcher's computer. It is outside `TMPDIR`, in which tests look for leftover files. */
const COMPILE_CACHE = join(tmpdir(), 'node-compile-cache');
const BIN = join(import.meta.dirname, '../bin.js');

/** The address of a server that does not run, so that connections are refused at once. */
export async function deadServer(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}

/** How a command ended. */
export interface CliResult {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}

type Running = Speaking & { kill(signal: 'SIGKILL' | 'SIGINT'): boolean };

/** A researcher's machine: an empty home for settings and files, and the CLI as a real process. */
export class TestHome implements AsyncDisposable {
  readonly folder: string;
  env: Record<string, string>;

  readonly #running = new Set<Running>();
  readonly #transcripts = new WeakMap<Running, Transcript>();

  private constructor(folder: string) {
    this.folder = folder;
    this.env = { SLEAP_RTC_CONFIG_DIR: join(folder, 'config'), TMPDIR: folder, NODE_COMPILE_CACHE: COMPILE_CACHE };
  }

  static async make(): Promise<TestHome> {
    return new TestHome(await mkdtemp(join(tmpdir(), 'sleap-rtc-test-')));
  }

  /** A path in the home. */
  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Starts a command; nothing of the surrounding SLEAP_RTC_ settings reaches it. */
  start(...args: string[]) {
    return this.startWithInput(undefined, ...args);
  }

  /** Starts a command with something on its stdin. */
  startWithInput(input: string | undefined, ...args: string[]) {
    const { PATH = '', HOME = '' } = process.env;
    return this.#own(
      execa(process.execPath, [BIN, ...args], {
        cwd: this.folder,
        env: { PATH, HOME, ...this.env },
        extendEnv: false,
        reject: false,
        ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
      }),
    );
  }

  /** Starts a command on a terminal of its own, made by `script` of util-linux; what is written to stdin is typed. */
  startOnTerminal(...args: string[]) {
    const { PATH = '', HOME = '' } = process.env;
    const words = [process.execPath, BIN, ...args].map((word) => `'${word}'`).join(' ');
    // Without a terminal around it, the one that `script` makes has no size.
    const command = `stty rows 30 cols 100; exec ${words}`;
    return this.#own(
      execa('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
        cwd: this.folder,
        env: { PATH, HOME, TERM: 'xterm', ...this.env },
        extendEnv: false,
        reject: false,
      }),
    );
  }

  /** Waits until a started command has said something, on stdout or stderr; it may have said it already. */
  async says(running: Running, words: RegExp): Promise<void> {
    await this.#transcripts.get(running)?.says(words);
  }

  #own<Process extends Running>(running: Process): Process {
    this.#transcripts.set(running, new Transcript(running));
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
    return running;
  }

  /** Runs a command to its end. */
  async run(...args: string[]): Promise<CliResult> {
    const { exitCode, stdout, stderr } = await this.start(...args);
    return { exitCode, stdout, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A test that fails leaves its process running.
    for (const running of this.#running) running.kill('SIGKILL');
    await Promise.all(this.#running);
    await rm(this.folder, { recursive: true, force: true });
  }
}
