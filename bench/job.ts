import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { z } from 'zod';
import { Manifest } from '../protocol/models/manifest.ts';
import { CLI, cliWith, MadeRoom } from '../stack/quickstart/run-cli.ts';
import { ensureTools, type Tools } from '../stack/setup.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import type { BenchmarkContext, Row } from './benchmark.ts';
import { median, rounded } from './median.ts';

const CONFIG = join(import.meta.dirname, '../stack/quickstart/flies-centroid.yaml');
const WORKER = 'worker-1';
/** Short, medium and long: about 9, 20 and 70 s by hand on two cores. `mostRuns` limits how often each is measured. */
const LENGTHS = [
  { epochs: 5, mostRuns: Number.POSITIVE_INFINITY },
  { epochs: 40, mostRuns: 3 },
  { epochs: 200, mostRuns: 2 },
];
/** The worker is idle when its warm trainer has done its imports. It logs that. */
const IDLE_TIMEOUT_MS = 120_000;

/** A line of the worker's log. Times are in milliseconds since the epoch. */
const LogLine = z.object({ time: z.number(), event: z.string(), job: z.string().optional() });

const Trained = z.object({ job_id: z.string() });
const Shown = z.object({ job: z.object({ submitted_at: z.iso.datetime() }) });

/** A training that was timed, in seconds since the command was started. */
interface Timed {
  seconds: number;
  firstEpochS: number;
}

interface OurRun extends Timed {
  submitToStartMs: number;
}

interface Bench {
  stack: Stack;
  tools: Tools;
  dir: string;
}

/**
 * Compares the main job with `sleap-nn train` typed by hand: same labels, same config, same machine, interleaved.
 * Our time runs from the start of the CLI's process to the manifest's `updated_at`, with a warm and idle worker.
 */
export async function benchmarkJob({ runs, only, row, say }: BenchmarkContext): Promise<Row> {
  const tools = await ensureTools({ onProgress: say });
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-bench-'));
  try {
    const stack = await startStack({ dir, tools });
    try {
      return await measure({ stack, tools, dir }, { runs, only, row });
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function measure(
  { stack, tools, dir }: Bench,
  { runs, only, row }: Pick<BenchmarkContext, 'runs' | 'only' | 'row'>,
): Promise<Row> {
  const labels = join(tools.sampleDataDir, 'minimal_instance.pkg.slp');
  const signal = new AbortController().signal;
  const server = { SLEAP_RTC_SERVER: stack.serverUrl, SLEAP_RTC_CONFIG_DIR: join(dir, 'cli') };
  const made = MadeRoom.parse(await cliWith(server, dir, signal).run('rooms', 'create'));
  const { room_id: room, token, key } = made;
  const env = { ...server, SLEAP_RTC_ROOM: room, SLEAP_RTC_TOKEN: token, SLEAP_RTC_ROOM_KEY: key };
  const cli = cliWith(env, dir, signal);
  const worker = await stack.startGpuWorker({ room, token, key, name: WORKER });
  const summary: Row = { name: 'summary' };
  let jobs = 0;
  for (const { epochs, mostRuns } of LENGTHS.filter((length) => only.test(`${length.epochs} epochs`))) {
    const config = await configOf(dir, epochs);
    const ours: OurRun[] = [];
    const bare: Timed[] = [];
    for (let run = 0; run < Math.min(runs, mostRuns); run++) {
      await untilIdle(worker.logFile, jobs++);
      const began = Date.now();
      const { jobId, firstEpochS } = await train(env, [
        labels,
        '--config',
        config,
        '--retrain',
        '-o',
        join(dir, 'out'),
      ]);
      const { updated_at } = Manifest.parse(await cli.run('models', 'list'));
      const { job } = Shown.parse(await cli.run('jobs', 'show', jobId));
      const submitToStartMs = (await startOf(jobId, worker.logFile)) - Date.parse(job.submitted_at);
      ours.push({ seconds: (Date.parse(updated_at) - began) / 1000, firstEpochS, submitToStartMs });
      row({ name: 'ours', epochs, run, ...timesOf(ours.slice(-1)), submit_to_start_ms: submitToStartMs });
      bare.push(await bareTrain(tools.python, { labels, config, folder: join(dir, `bare-${epochs}-${run}`) }));
      row({ name: 'bare sleap-nn train', epochs, run, ...timesOf(bare.slice(-1)) });
    }
    const submit_to_start_ms = median(ours.map((one) => one.submitToStartMs));
    row({ name: 'ours, median', epochs, ...timesOf(ours), submit_to_start_ms, runs: ours.length });
    row({ name: 'bare sleap-nn train, median', epochs, ...timesOf(bare), runs: bare.length });
    summary[`ratio_${epochs}_epochs`] = rounded(timesOf(ours).seconds / timesOf(bare).seconds, 3);
  }
  return summary;
}

/** The medians. */
function timesOf(timed: Timed[]): { seconds: number; first_epoch_s: number } {
  return {
    seconds: rounded(median(timed.map(({ seconds }) => seconds)), 3),
    first_epoch_s: rounded(median(timed.map(({ firstEpochS }) => firstEpochS)), 3),
  };
}

/** Writes the quickstart's config with this number of epochs and without early stopping. Returns its path. */
async function configOf(dir: string, epochs: number): Promise<string> {
  const path = join(dir, `${epochs}-epochs`, 'flies-centroid.yaml');
  const text = await readFile(CONFIG, 'utf8');
  await mkdir(join(path, '..'), { recursive: true });
  const withoutEarlyStopping = 'early_stopping: { stop_training_on_plateau: false }';
  await writeFile(path, text.replace('max_epochs: 5', `max_epochs: ${epochs}\n  ${withoutEarlyStopping}`));
  return path;
}

/** Runs `sleap-rtc train`. `firstEpochS` is when it printed that the first epoch was done. */
async function train(env: Record<string, string>, args: string[]): Promise<{ jobId: string; firstEpochS: number }> {
  const began = performance.now();
  const node = ['--disable-warning=ExperimentalWarning', CLI];
  const command = execa(process.execPath, [...node, 'train', ...args, '--json'], { env });
  let firstEpochS = Number.NaN;
  for await (const line of command.iterable({ from: 'stderr' })) {
    if (Number.isNaN(firstEpochS) && line.includes('epoch 1/')) firstEpochS = (performance.now() - began) / 1000;
  }
  return { jobId: Trained.parse(JSON.parse((await command).stdout)).job_id, firstEpochS };
}

/** Runs `sleap-nn train` as a person would type it. `firstEpochS` is when its log had the first epoch. */
async function bareTrain(
  python: string,
  { labels, config, folder }: { labels: string; config: string; folder: string },
): Promise<Timed> {
  const began = performance.now();
  const command = execa(join(python, '../sleap-nn'), [
    'train',
    '--config-name',
    'flies-centroid.yaml',
    '--config-dir',
    join(config, '..'),
    `data_config.train_labels_path=[${labels}]`,
    '++trainer_config.save_ckpt=true',
    `++trainer_config.ckpt_dir=${folder}`,
    '++trainer_config.run_name=bare',
  ]);
  const ended = new AbortController();
  const firstEpoch = untilLogged(join(folder, 'bare', 'training_log.csv'), ended.signal);
  await command.finally(() => ended.abort());
  return { seconds: (performance.now() - began) / 1000, firstEpochS: ((await firstEpoch) - began) / 1000 };
}

/** Waits until a training log has its first epoch. Returns the time by `performance.now()`, or NaN if there was none before the abort. */
async function untilLogged(log: string, signal: AbortSignal): Promise<number> {
  while (!signal.aborted) {
    const lines = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n');
    if (lines.length > 1) return performance.now();
    await delay(20);
  }
  return Number.NaN;
}

/** Waits until the worker's spare trainer is warm for the `run`-th time. */
async function untilIdle(logFile: string, run: number): Promise<void> {
  const deadline = Date.now() + IDLE_TIMEOUT_MS;
  while ((await events(logFile, 'trainer_warm')).length <= run) {
    if (Date.now() > deadline) throw new Error('the worker did not become idle');
    await delay(100);
  }
}

/** Returns when the worker started sleap-nn, in milliseconds since the epoch, from the worker's log. */
async function startOf(jobId: string, logFile: string): Promise<number> {
  const started = await events(logFile, 'sleap_nn_started');
  return started.find(({ job }) => job === jobId)?.time ?? Number.NaN;
}

async function events(logFile: string, event: string): Promise<z.infer<typeof LogLine>[]> {
  const lines = (await readFile(logFile, 'utf8')).split('\n').filter((line) => line.startsWith('{'));
  return lines.flatMap((line) => LogLine.safeParse(JSON.parse(line)).data ?? []).filter((line) => line.event === event);
}
