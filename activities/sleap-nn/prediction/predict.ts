import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { Context } from '@temporalio/activity';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { InferenceSpec } from '../../../protocol/jobs/job.ts';
import type { FrameProgress } from '../../../protocol/jobs/job-view.ts';
import type { InferenceInput, PredictionSummary } from '../../contract.ts';
import { heartbeatWith } from '../../heartbeat-details.ts';
import { type JobFolders, jobFolders } from '../../runs/job-folders.ts';
import { beginLog, readLogTail } from '../../runs/log-file.ts';
import type { SleapNnDeps } from '../deps.ts';
import { explainFailure } from '../failures/explain-failure.ts';
import { FreezeGuard } from '../process/freeze-guard.ts';
import type { SleapNnExit } from '../process/launcher-process.ts';
import { startSleapNn } from '../process/run-sleap-nn.ts';
import { namedWeights } from '../weights/named-weights.ts';
import { fetchAllWeights, useWeights } from '../weights/pretrained-weights.ts';
import { nameSource } from './name-source.ts';

/** A line of `sleap-nn predict --gui`. */
const FrameLine = z.object({
  n_processed: z.int().min(0),
  n_total: z.int().min(0).nullish(),
  rate: z.number().nullish(),
  eta: z.number().nullish(),
});

const Summary = z.object({ frames: z.int(), seconds: z.number() });

/** Reads one line of sleap-nn's stdout. Returns undefined if it is not progress. */
export function parseFrameLine(line: string): FrameProgress | undefined {
  try {
    const { n_processed, n_total, rate, eta } = FrameLine.parse(JSON.parse(line));
    return {
      frames: n_processed,
      total_frames: n_total ?? null,
      frames_per_s: rate ?? null,
      seconds_left: eta ?? null,
    };
  } catch {
    return undefined;
  }
}

/** The name of the predictions on a video or labels file, as SLEAP users know it. */
export function predictionsName(input: string): string {
  return `${basename(input)}.predictions.slp`;
}

/** One prediction, with what its steps need. */
interface Prediction {
  spec: InferenceSpec;
  job: JobFolders;
  work: string;
  /** For temporary files. */
  tmpDir: string;
  logFile: string;
  /** What sleap-nn writes; it gets its final name when it is whole. */
  unfinished: string;
  output: string;
  summaryFile: string;
  signal: AbortSignal;
}

/**
 * Runs `sleap-nn predict` with the models that the job was given (`ensureModels`) on a file of the job's dataset, into `jobs/{job_id}/results/`. The
 * predictions name the video (or labels) by the researcher's own path if the job has it, and never by a path of the worker. A
 * retry finds finished predictions.
 * @throws SleapRtcError PREDICTION_FAILED, VIDEO_INVALID, LABELS_CORRUPT, GPU_OUT_OF_MEMORY, DISK_FULL; GPU_BROKEN, TRAINER_KILLED (retryable)
 */
export function createPredict(deps: SleapNnDeps) {
  return async function predict({ input }: InferenceInput): Promise<PredictionSummary> {
    const prediction = openPrediction(input.spec, deps.workDir);
    const done = await readSummary(prediction);
    if (done !== undefined) return done;
    const startedAtMs = Date.now();
    const frames = await runSleapNn(deps, prediction);
    await nameResearchersFile(deps, prediction);
    await rename(prediction.unfinished, prediction.output);
    const summary = { frames, seconds: Math.round((Date.now() - startedAtMs) / 100) / 10 };
    await writeFileAtomic(prediction.summaryFile, JSON.stringify(summary));
    return summary;
  };
}

function openPrediction(spec: InferenceSpec, workDir: string): Prediction {
  const job = jobFolders(workDir, spec.job_id);
  const work = join(job.work, 'predict');
  return {
    spec,
    job,
    work,
    tmpDir: join(work, 'tmp'),
    logFile: join(job.logs, 'predict.log'),
    unfinished: join(work, 'predictions.slp'),
    output: join(job.results, predictionsName(spec.input)),
    summaryFile: join(work, 'result.json'),
    signal: Context.current().cancellationSignal,
  };
}

/** @returns how many frames were predicted */
async function runSleapNn(deps: SleapNnDeps, prediction: Prediction): Promise<number> {
  const { spec, job, work, tmpDir, logFile, signal } = prediction;
  let frames: FrameProgress | undefined;
  heartbeatWith(() => frames);
  const publish = (detail?: string) =>
    deps.publishProgress({
      job_id: spec.job_id,
      phase: 'predicting',
      ...(detail === undefined ? {} : { detail }),
      ...(frames === undefined ? {} : { frames }),
    });
  // sleap-nn would report a missing folder only at its end.
  await rm(work, { recursive: true, force: true });
  await mkdir(tmpDir, { recursive: true });
  await mkdir(job.results, { recursive: true });
  const logStart = await beginLog(logFile, `--- ${new Date().toISOString()} sleap-nn predict`);
  publish('loading sleap-nn');
  const { sandbox, workDir, warmTrainer: spare } = deps;
  const guard = new FreezeGuard({ signal, report: publish });
  const onLine = (line: string) => {
    guard.onEvent();
    frames = parseFrameLine(line) ?? frames;
    publish();
  };
  const models = spec.models.map((id) => join(job.usedModels, id));
  const weights = sandbox.isolates ? await weightsOf(models, { workDir, signal, code: 'PREDICTION_FAILED' }) : [];
  const { files, env } = useWeights(weights);
  const access = { read: [job.dataset, ...models, ...files], write: [work] };
  const command = { argv: argumentsOf(prediction, models), cwd: job.dataset, logFile, tmpDir, env, access, onLine };
  const exit = await guard.wait(await startSleapNn({ sandbox, workDir, spare, ...command }));
  signal.throwIfAborted();
  if (guard.error !== undefined) throw guard.error;
  const wrote = await stat(prediction.unfinished).then(Boolean, () => false);
  const error = judgePrediction(exit, wrote, await readLogTail(logFile, logStart), spec.input);
  if (error !== undefined) throw error;
  const count = frames?.frames ?? 0;
  if (spec.frames !== undefined && count === 0) {
    throw new SleapRtcError('USAGE', `${spec.input} has none of the frames ${spec.frames}.`);
  }
  return count;
}

/** The weights from which the models began: sleap-nn loads them again, and has no network. */
async function weightsOf(models: readonly string[], options: Parameters<typeof fetchAllWeights>[1]) {
  const configs = models.map((model) => readFile(join(model, 'training_config.yaml'), 'utf8').catch(() => ''));
  const names = (await Promise.all(configs)).flatMap(namedWeights);
  return fetchAllWeights([...new Set(names)], options);
}

/** Paths are relative to the dataset's folder, in which sleap-nn runs. */
function argumentsOf({ spec, job, unfinished }: Prediction, models: readonly string[]): string[] {
  const fromDataset = (path: string) => relative(job.dataset, path);
  return [
    'predict',
    ...['--data_path', spec.input],
    ...models.flatMap((path) => ['--model_paths', fromDataset(path)]),
    ...['--output_path', fromDataset(unfinished)],
    ...(spec.frames === undefined ? [] : ['--frames', spec.frames]),
    ...(spec.tracking ? ['--tracking'] : []),
    '--gui',
  ];
}

async function nameResearchersFile({ sandbox }: SleapNnDeps, prediction: Prediction): Promise<void> {
  const { spec, unfinished: predictions, signal } = prediction;
  if (spec.source_path === undefined) return;
  await nameSource({ sandbox, predictions, input: spec.input, path: spec.source_path, signal });
}

function judgePrediction(exit: SleapNnExit, wrote: boolean, logTail: string, input: string): SleapRtcError | undefined {
  if (exit.signal !== null) {
    const why = exit.signal === 9 ? ' (the machine may have run out of memory)' : '';
    return new SleapRtcError('TRAINER_KILLED', `sleap-nn was killed by signal ${exit.signal}${why}.`);
  }
  if (exit.code !== 0) {
    return explainFailure({ exitCode: exit.code ?? 1, logTail, inputs: [input], otherwise: 'PREDICTION_FAILED' });
  }
  return wrote ? undefined : new SleapRtcError('PREDICTION_FAILED', 'sleap-nn ended without writing predictions.');
}

async function readSummary({ summaryFile, output }: Prediction): Promise<PredictionSummary | undefined> {
  try {
    await stat(output);
    return Summary.parse(JSON.parse(await readFile(summaryFile, 'utf8')));
  } catch {
    return undefined;
  }
}
