import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { Manifest } from '../../protocol/models/manifest.ts';
import { ensureTools, type Tools } from '../setup.ts';
import { type Stack, startStack } from '../stack.ts';
import { type Cli, cliWith, MadeRoom } from './run-cli.ts';

/** What the quickstart made; the JSON line of `./quickstart --json`. */
export interface QuickstartResult {
  room: string;
  job: string;
  model: string;
  alias: string;
  /** Path of a copy of the room's manifest. */
  manifest: string;
  seconds: { setup: number; job: number };
}

interface QuickstartOptions {
  /** Leave the system running until interrupted. */
  keep: boolean;
  say: (line: string) => void;
  signal: AbortSignal;
}

const TrainOutput = z.object({
  job_id: z.string(),
  temporal_ui_url: z.string().nullable(),
  models: z.array(z.object({ id: z.string(), aliases: z.array(z.string()), path: z.string() })).min(1),
});

const CONFIG = join(import.meta.dirname, 'flies-centroid.yaml');
const OUTPUT = join(import.meta.dirname, '../../quickstart-output');

/**
 * Sets up, starts the embedded stack with one worker, and runs the main job through the CLI.
 * @throws SleapRtcError if a step fails, after everything that was started has been stopped
 */
export async function quickstart({ keep, say, signal }: QuickstartOptions): Promise<QuickstartResult> {
  const started = performance.now();
  say('1/4 Setting up (the first time takes a few minutes; later runs a second)');
  const tools = await ensureTools({ onProgress: (message) => say(`    ${message}`), signal });
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-quickstart-'));
  try {
    say('2/4 Starting Temporal, S3, DynamoDB, Cognito and the signaling server on this machine (about 5 s)');
    const stack = await startStack({ dir, tools, signal });
    try {
      return await runMainJob({ stack, tools, dir, setupFrom: started }, { keep, say, signal });
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

interface Running {
  stack: Stack;
  tools: Tools;
  dir: string;
  /** When the set-up began, on the clock of `performance.now()`. */
  setupFrom: number;
}

async function runMainJob(
  { stack, tools, dir, setupFrom }: Running,
  { keep, say, signal }: QuickstartOptions,
): Promise<QuickstartResult> {
  const anyone = { SLEAP_RTC_SERVER: stack.serverUrl, SLEAP_RTC_CONFIG_DIR: join(dir, 'cli') };
  const room = MadeRoom.parse(await cliWith(anyone, dir, signal).run('rooms', 'create'));
  await stack.startGpuWorker({ room: room.room_id, token: room.token, key: room.key, name: 'worker-1' });
  const setupSeconds = secondsSince(setupFrom);

  say(`3/4 Training a model of two flies in room ${room.room_id}, on worker-1 (about half a minute)`);
  const member = { ...anyone, SLEAP_RTC_ROOM: room.room_id, SLEAP_RTC_TOKEN: room.token, SLEAP_RTC_ROOM_KEY: room.key };
  const cli = cliWith(member, dir, signal);
  const output = join(OUTPUT, room.room_id);
  const labels = join(tools.sampleDataDir, 'minimal_instance.pkg.slp');
  const submitted = performance.now();
  const models = join(output, 'models');
  const job = TrainOutput.parse(await cli.run('train', labels, '--config', CONFIG, '--alias', 'flies', '-o', models));
  const jobSeconds = secondsSince(submitted);

  say('4/4 What the room has now');
  const manifest = await copyManifest(cli, output);
  const [model] = job.models;
  if (model === undefined || manifest.content.models[model.id] === undefined) {
    throw new Error('the trained model is not in the room’s manifest');
  }
  tell(say, { manifest: manifest.content, job, path: model.path });
  if (keep) await keepRunning(say, member, signal);
  return {
    room: room.room_id,
    job: job.job_id,
    model: model.id,
    alias: manifest.content.models[model.id]?.alias ?? '',
    manifest: manifest.path,
    seconds: { setup: setupSeconds, job: jobSeconds },
  };
}

async function copyManifest(cli: Cli, folder: string): Promise<{ path: string; content: Manifest }> {
  const { ok: _ok, ...content } = Manifest.parse(await cli.run('models', 'list'));
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'manifest.json');
  await writeFile(path, `${JSON.stringify(content, undefined, 2)}\n`);
  return { path, content };
}

function tell(
  say: QuickstartOptions['say'],
  { manifest, job, path }: { manifest: Manifest; job: z.infer<typeof TrainOutput>; path: string },
): void {
  for (const model of Object.values(manifest.models)) {
    const names = Object.entries(manifest.aliases).filter(([, id]) => id === model.id);
    say(`    ${model.id}  ${model.model_type}  ${names.map(([alias]) => alias).join(', ')}`);
    say(
      `      ${model.training.epochs} epochs, validation loss ${model.training.final_loss}, trained on ${model.trained_on_worker}`,
    );
    say(`      in the room:  ${model.s3_path}`);
  }
  say(`      on your disk: ${relative(process.cwd(), path)}`);
  say(`    The job’s history in the Temporal UI (while the system runs): ${job.temporal_ui_url}`);
  say('');
  say(
    'Next: ./quickstart --keep leaves the system running; docs/researchers.md shows how to train on your own labels.',
  );
}

/** Prints how to use the running system and waits for Ctrl-C. */
async function keepRunning(
  say: QuickstartOptions['say'],
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  say('');
  say('The system runs until you press Ctrl-C. In another terminal:');
  for (const [name, value] of Object.entries(env)) say(`  export ${name}=${value}`);
  say('  node cli/bin.js models list');
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener('abort', () => resolve(), { once: true });
  // Keeps the event loop alive even if the stack's own sockets do not.
  const alive = setInterval(() => {}, 60_000);
  await promise;
  clearInterval(alive);
}

function secondsSince(start: number): number {
  return Math.round((performance.now() - start) / 100) / 10;
}
