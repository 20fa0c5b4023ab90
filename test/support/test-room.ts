import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import type { JobView } from '../../protocol/jobs/job-view.ts';
import { Manifest } from '../../protocol/models/manifest.ts';
import { RoomKey } from '../../protocol/room-key.ts';
import { CreateRoomReply, SignInReply } from '../../protocol/wire/api.ts';
import type { PeerPayload } from '../../protocol/wire/peer-messages.ts';
import type { StackGpuWorker } from '../../stack/index.ts';
import { SignalingClient } from '../../transport/index.ts';
import { sharedStack, type TestStack } from './shared-stack.ts';

const CLI = join(import.meta.dirname, '../../cli/bin.js');

/** How a command ended. */
export interface CommandResult {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}

/** A command that runs, as a researcher would run it: a process of its own. */
export interface RunningCommand extends Promise<CommandResult> {
  /** Presses Ctrl-C. */
  interrupt(): void;
  /** Ends it with kill -9, as a laptop that is turned off. */
  kill(): void;
  /** Stops it with SIGSTOP, until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** Everything that it has written to standard error so far. */
  shown(): string;
  /** Resolves when standard error has shown `text`; rejects if the command ends without it. */
  untilShown(text: RegExp): Promise<void>;
}

/** A test's own room, with everything that a researcher in it can do. */
export interface TestRoom extends TestStack {
  id: string;
  token: string;
  /** The room's key. */
  key: RoomKey;
  /** The environment of the room's commands. */
  env: Record<string, string>;
  /** Below the stack's folder; for outputs. */
  folder: string;
  cli(args: string[], env?: Record<string, string>): RunningCommand;
  /** Runs a command that must succeed, and returns the object it prints with `--json`. */
  json(args: string[]): Promise<unknown>;
  manifest(): Promise<Manifest>;
  startWorker(name: string, env?: Record<string, string>): Promise<StackGpuWorker>;
  /** Joins the room as one more client peer, which receives the messages to everyone and follows all jobs. */
  enter(
    peerId: string,
    on: { message?: (payload: PeerPayload) => void; job?: (job: JobView) => void },
  ): Promise<SignalingClient>;
}

/** What `train --json` prints. */
export const TrainResult = z.looseObject({
  ok: z.literal(true),
  job_id: z.string(),
  temporal_ui_url: z.string().nullable(),
  models: z.array(z.object({ id: z.string(), aliases: z.array(z.string()), path: z.string() })),
});

/** Makes a room, on the stack that all end-to-end tests share if no other is given. */
export async function createRoom(on?: TestStack): Promise<TestRoom> {
  const shared = on ?? (await sharedStack());
  const { stack, dir } = shared;
  const folder = await mkdtemp(join(dir, 'room-'));
  const server = { SLEAP_RTC_SERVER: stack.serverUrl, SLEAP_RTC_CONFIG_DIR: join(folder, 'config') };
  const created = await runCli(['rooms', 'create', '--json'], server);
  if (created.exitCode !== 0) throw new Error(created.stderr + created.stdout);
  const { room_id: id, token, key } = CreateRoomReply.extend({ key: RoomKey }).parse(JSON.parse(created.stdout));
  const env = { ...server, SLEAP_RTC_ROOM: id, SLEAP_RTC_TOKEN: token, SLEAP_RTC_ROOM_KEY: key };
  const json = async (args: string[]): Promise<unknown> => {
    const result = await runCli([...args, '--json'], env);
    if (result.exitCode !== 0)
      throw new Error(`${args.join(' ')}: ${result.exitCode}\n${result.stderr}${result.stdout}`);
    return JSON.parse(result.stdout);
  };
  return {
    ...shared,
    id,
    token,
    key,
    env,
    folder,
    json,
    cli: (args, more) => runCli(args, { ...env, ...more }),
    manifest: async () => Manifest.parse(await json(['models', 'list'])),
    async enter(peerId, on) {
      const idToken = async () => {
        const response = await fetch(`${stack.serverUrl}/anonymous-signin`, { method: 'POST' });
        return SignInReply.parse(await response.json()).id_token;
      };
      const metadata = { tags: [], properties: {} };
      const options = { serverUrl: stack.serverUrl, roomId: id, token, roomKey: key, peerId, metadata };
      const client = await SignalingClient.connect({
        ...options,
        role: 'client',
        identity: { idToken, refused: () => undefined },
      });
      client.on('peer_message', ({ payload }) => on.message?.(payload));
      client.on('job_event', ({ job }) => on.job?.(job));
      if (on.job !== undefined) await client.subscribeJobs();
      return client;
    },
    // Workers live to the end of the run: a dozen of them with a warm process each would fill the machine.
    startWorker: (name, more) =>
      stack.startGpuWorker({ room: id, token, key, name, env: { SLEAP_RTC_WARM_TRAINER: '0', ...more } }),
  };
}

/** A command whose test has failed would wait for its job forever: it ends with the tests. */
const end = new AbortController();
after(() => end.abort());

/** Runs the CLI with only this environment: as somebody who is not in the room (yet). */
export function runCli(args: string[], env: Record<string, string>): RunningCommand {
  const process_ = execa(process.execPath, [CLI, ...args], {
    env,
    reject: false,
    stdin: 'ignore',
    cancelSignal: end.signal,
    forceKillAfterDelay: 1_000,
  });
  let shown = '';
  const waiting = new Set<() => void>();
  process_.stderr.on('data', (chunk: Buffer) => {
    shown += chunk.toString();
    for (const check of waiting) check();
  });
  const result = process_.then(({ exitCode, stdout, stderr }): CommandResult => ({ exitCode, stdout, stderr }));
  const untilShown = (text: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = () => {
        if (!text.test(shown)) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
      void result.then(() => reject(new Error(`ended without showing ${text}:\n${shown}`)));
    });
  return Object.assign(result, {
    interrupt: () => void process_.kill('SIGINT'),
    kill: () => void process_.kill('SIGKILL'),
    freeze: () => void process_.kill('SIGSTOP'),
    thaw: () => void process_.kill('SIGCONT'),
    shown: () => shown,
    untilShown,
  });
}
