import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { Manifest } from '../protocol/manifest.ts';
import { cliWith, MadeRoom } from '../stack/quickstart/run-cli.ts';
import { ensureTools, type Tools } from '../stack/setup.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { median, rounded } from './median.ts';
import type { BenchmarkContext, Row } from './run.ts';

const CONFIG = join(import.meta.dirname, '../stack/quickstart/flies-centroid.yaml');
const WORKER = 'worker-1';
/** A warm trainer needs its imports done before the worker counts as idle; it logs this. */
const IDLE_TIMEOUT_MS = 120_000;

/** What the worker's log tells of a job. Times are milliseconds since the epoch. */
const LogLine = z.object({ time: z.number(), event: z.string(), job: z.string().optional() });

const Trained = z.object({ job_id: z.string() });
const Shown = z.object({ job: z.object({ submitted_at: z.iso.datetime() }) });

interface OurRun {
  seconds: number;
  submitToStartMs: number;
}

/**
 * The main job against `sleap-nn train` typed by hand: same labels, same config, same machine, interleaved.
 * Ours is the wall time from starting the CLI's process to the manifest's `updated_at`, worker warm and idle.
 */
export async function benchmarkJob({ runs, row, say }: BenchmarkContext): Promise<Row> {
  const tools = await ensureTools({ onProgress: say });
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-bench-'));
  try {
    const stack = await startStack({ dir, tools });
    try {
      return await measure({ stack, tools, dir }, { runs, row });
    } finally {
      await stack.stop();
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function measure(
  { stack, tools, dir }: { stack: Stack; tools: Tools; dir: string },
  { runs, row }: Pick<BenchmarkContext, 'runs' | 'row'>,
): Promise<Row> {
  const labels = join(tools.sampleDataDir, 'minimal_instance.pkg.slp');
  const signal = new AbortController().signal;
  const server = { SLEAP_RTC_SERVER: stack.serverUrl, SLEAP_RTC_CONFIG_DIR: join(dir, 'cli') };
  const room = MadeRoom.parse(await cliWith(server, dir, signal).run('rooms', 'create'));
  const cli = cliWith(
    { ...server, SLEAP_RTC_ROOM: room.room_id, SLEAP_RTC_TOKEN: room.token, SLEAP_RTC_ROOM_KEY: room.key },
    dir,
    signal,
  );
  const worker = await stack.startGpuWorker({ room: room.room_id, token: room.token, key: room.key, name: WORKER });
  const ours: OurRun[] = [];
  const bare: number[] = [];
  for (let run = 0; run < runs; run++) {
    await untilIdle(worker.logFile, run);
    const began = Date.now();
    const { job_id } = Trained.parse(
      await cli.run('train', labels, '--config', CONFIG, '--again', '-o', join(dir, 'out')),
    );
    const { updated_at } = Manifest.parse(await cli.run('models', 'list'));
    const {
      job: { submitted_at },
    } = Shown.parse(await cli.run('jobs', 'show', job_id));
    const seconds = (Date.parse(updated_at) - began) / 1000;
    const submitToStartMs = (await startOf(job_id, worker.logFile)) - Date.parse(submitted_at);
    ours.push({ seconds, submitToStartMs });
    row({ name: 'ours', run, seconds: rounded(seconds, 3), submit_to_start_ms: submitToStartMs });
    bare.push(await bareTrain(tools.python, labels, join(dir, `bare-${run}`)));
    row({ name: 'bare sleap-nn train', run, seconds: rounded(bare.at(-1) ?? Number.NaN, 3) });
  }
  const ours_s = median(ours.map((one) => one.seconds));
  const bare_s = median(bare);
  return {
    name: 'summary',
    ratio: rounded(ours_s / bare_s, 3),
    ours_s: rounded(ours_s, 3),
    bare_s: rounded(bare_s, 3),
    submit_to_start_ms: median(ours.map((one) => one.submitToStartMs)),
    runs,
  };
}

/** `sleap-nn train` as a person would type it; seconds. */
async function bareTrain(python: string, labels: string, folder: string): Promise<number> {
  const began = performance.now();
  await execa(join(python, '../sleap-nn'), [
    'train',
    '--config-name',
    'flies-centroid.yaml',
    '--config-dir',
    join(CONFIG, '..'),
    `data_config.train_labels_path=[${labels}]`,
    '++trainer_config.save_ckpt=true',
    `++trainer_config.ckpt_dir=${folder}`,
    '++trainer_config.run_name=bare',
  ]);
  return (performance.now() - began) / 1000;
}

/** Waits until the worker's spare trainer is warm for the `run`-th time. */
async function untilIdle(logFile: string, run: number): Promise<void> {
  const deadline = Date.now() + IDLE_TIMEOUT_MS;
  while ((await events(logFile, 'trainer_warm')).length <= run) {
    if (Date.now() > deadline) throw new Error('the worker did not become idle');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** When sleap-nn was told to start, by the worker's log; milliseconds since the epoch. */
async function startOf(jobId: string, logFile: string): Promise<number> {
  const started = await events(logFile, 'sleap_nn_started');
  return started.find(({ job }) => job === jobId)?.time ?? Number.NaN;
}

async function events(logFile: string, event: string): Promise<z.infer<typeof LogLine>[]> {
  const lines = (await readFile(logFile, 'utf8')).split('\n').filter((line) => line.startsWith('{'));
  return lines.flatMap((line) => LogLine.safeParse(JSON.parse(line)).data ?? []).filter((line) => line.event === event);
}
