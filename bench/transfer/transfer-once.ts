import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { ForeignPeer } from './foreign.ts';
import type { Place, Side } from './places.ts';

const SIDE_MAIN = join(import.meta.dirname, 'side-main.ts');

const Ready = z.object({ ready: z.literal(true), port: z.number() });
const Used = z.object({
  seconds: z.number(),
  started_at: z.number(),
  cpu_s: z.number(),
  rss_mb: z.number(),
  sha256: z.string(),
});

/** An implementation of `side-main.ts` with the WebRTC stack of each side, or another program. */
export type Implementation =
  | { of: 'ours' | 'raw' | 'tcp'; sender: string; receiver: string }
  | { of: 'foreign'; peer: ForeignPeer };

/** The file to send, and the folder that receives it. The folder is made and removed. */
export interface SentFile {
  path: string;
  bytes: number;
  sha256: string;
  folder: string;
}

export interface Measured {
  mb_s: number;
  cpu_s_per_gb: number;
  rss_mb: number;
  /** When it began and ended, in ms since the epoch. */
  from: number;
  to: number;
}

/** Sends the file once, each side in a process of its own. @throws Error if it does not arrive in time, or if other bytes arrive */
export async function transferOnce(
  implementation: Implementation,
  place: Place,
  file: SentFile,
  limitMs: number,
): Promise<Measured> {
  await mkdir(file.folder);
  const processes: Process[] = [];
  const begin = (side: Side, command: string, args: string[], env: Record<string, string>) => {
    const process = new Process(side, command, args, { env, limitMs });
    processes.push(process);
    return process;
  };
  try {
    const [there, here] = await (implementation.of === 'foreign'
      ? foreign(implementation.peer, place, file, begin)
      : own(implementation, place, file, begin));
    if (there.sha256 !== file.sha256) throw new Error('other bytes arrived than were sent');
    return {
      mb_s: file.bytes / 1e6 / there.seconds,
      cpu_s_per_gb: ((here.cpu_s + there.cpu_s) * 1e9) / file.bytes,
      rss_mb: Math.max(here.rss_mb, there.rss_mb),
      from: there.started_at,
      to: there.started_at + there.seconds * 1000,
    };
  } finally {
    await Promise.all(processes.map((process) => process.end()));
    await rm(file.folder, { recursive: true });
  }
}

type Begin = (side: Side, command: string, args: string[], env: Record<string, string>) => Process;
type Use = z.infer<typeof Used>;

async function own(
  { of, sender, receiver }: Exclude<Implementation, { of: 'foreign' }>,
  { sender: from, receiver: to, serverUrl }: Place,
  file: SentFile,
  begin: Begin,
): Promise<[Use, Use]> {
  const node = ['--disable-warning=ExperimentalWarning', SIDE_MAIN, of];
  const args = (side: string, path: string, port = 0) => [
    ...node,
    side,
    ...[serverUrl, path, String(file.bytes), from.address, String(port)],
  ];
  const sending = begin(from, process.execPath, args('send', file.path), { SLEAP_RTC_WEBRTC: sender });
  const { port } = await sending.read(Ready);
  const target = join(file.folder, basename(file.path));
  const receiving = begin(to, process.execPath, args('receive', target, port), { SLEAP_RTC_WEBRTC: receiver });
  return [await receiving.read(Used), await sending.read(Used)];
}

async function foreign(
  { command, args }: ForeignPeer,
  { sender, receiver }: Place,
  file: SentFile,
  begin: Begin,
): Promise<[Use, Use]> {
  const env = { RECEIVED_FOLDER: file.folder };
  const target = join(file.folder, basename(file.path));
  const sending = begin(sender, command, [...args, 'send', file.path, String(file.bytes)], env);
  const offer = await sending.line();
  const receiving = begin(receiver, command, [...args, 'receive', target, String(file.bytes)], env);
  receiving.say(offer);
  sending.say(await receiving.line());
  const there = await receiving.read(Used);
  return [there, await sending.read(Used)];
}

/** A child process that reads and writes lines of JSON. */
class Process {
  readonly #child;
  readonly #lines: AsyncIterator<unknown>;

  constructor(side: Side, command: string, args: string[], how: { env: Record<string, string>; limitMs: number }) {
    this.#child = side.run(command, args, {
      env: how.env,
      stdin: 'pipe',
      stderr: 'inherit',
      reject: false,
      timeout: how.limitMs,
      killSignal: 'SIGKILL',
    });
    this.#lines = this.#child.iterable()[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the process ended, or took too long');
    return String(value);
  }

  async read<Schema extends z.ZodType>(schema: Schema): Promise<z.infer<Schema>> {
    return schema.parse(JSON.parse(await this.line()));
  }

  say(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child;
  }
}
