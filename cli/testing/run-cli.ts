import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

/** Shared by all runs, as on a researcher's machine; apart from `TMPDIR`, in which tests look for what was left behind. */
const COMPILE_CACHE = join(tmpdir(), 'node-compile-cache');
const BIN = join(import.meta.dirname, '../bin.js');

/** A server's address at which nobody listens: who asks is refused at once. */
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

/** A researcher's machine: an empty home for settings and files, and the CLI as a real process. */
export class TestHome implements AsyncDisposable {
  readonly folder: string;
  env: Record<string, string>;

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
    const { PATH = '', HOME = '' } = process.env;
    return execa(process.execPath, [BIN, ...args], {
      cwd: this.folder,
      env: { PATH, HOME, ...this.env },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    });
  }

  /** Runs a command to its end. */
  async run(...args: string[]): Promise<CliResult> {
    const { exitCode, stdout, stderr } = await this.start(...args);
    return { exitCode, stdout, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
