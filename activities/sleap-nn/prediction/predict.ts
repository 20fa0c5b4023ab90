import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { Context } from '@temporalio/activity';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { FrameProgress } from '../../../protocol/job-view.ts';
import type { InferenceInput, PredictionSummary } from '../../contract.ts';
import { heartbeatWith } from '../../heartbeat-details.ts';
import { beginLog, readLogTail } from '../../runs/log-file.ts';
import type { SleapNnDeps } from '../deps.ts';
import { explainFailure } from '../failures/explain-failure.ts';
import type { SleapNnExit } from '../process/launcher-process.ts';
import { untilExit } from '../process/until-exit.ts';
import { startSleapNn } from '../process/warm-trainer.ts';
import { nameSource } from './name-source.ts';

/** A line of `sleap-nn predict --gui`. */
const FrameLine = z.object({
  n_processed: z.int().min(0),
  n_total: z.int().min(0).nullish(),
  rate: z.number().nullish(),
  eta: z.number().nullish(),
});

const Summary = z.object({ frames: z.int(), seconds: z.number() });

/** Reads one line of sleap-nn's stdout; undefined for what is no progress. */
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

/**
 * Runs `sleap-nn predict` with models of the worker's cache on a file of the job's dataset, into `jobs/{job_id}/results/`.
 * They name the video (or labels) by the researcher's own path, where the job tells it, and never by one of the worker. Done
 * again, it finds its finished predictions.
 * @throws SleapRtcError PREDICTION_FAILED, VIDEO_INVALID, LABELS_CORRUPT, GPU_OUT_OF_MEMORY, DISK_FULL; GPU_BROKEN, TRAINER_KILLED (retryable)
 */
export function createPredict(deps: SleapNnDeps) {
  return async function predict({ input }: InferenceInput): Promise<PredictionSummary> {
    const context = Context.current();
    const { spec } = input;
    const job = join(deps.workDir, 'jobs', spec.job_id);
    const work = join(job, 'work', 'predict');
    const dataset = join(job, 'dataset');
    const output = join(job, 'results', predictionsName(spec.input));
    const summaryFile = join(work, 'result.json');
    const done = await readSummary(summaryFile, output);
    if (done !== undefined) return done;

    let frames: FrameProgress | undefined;
    const publish = (detail?: string) =>
      deps.publishProgress({
        job_id: spec.job_id,
        phase: 'predicting',
        ...(detail === undefined ? {} : { detail }),
        ...(frames === undefined ? {} : { frames }),
      });
    heartbeatWith(() => frames);
    const startedAtMs = Date.now();
    // sleap-nn would notice a missing folder only when all is done.
    const tmpDir = join(work, 'tmp');
    await rm(work, { recursive: true, force: true });
    await mkdir(tmpDir, { recursive: true });
    await mkdir(join(job, 'results'), { recursive: true });
    const unfinished = join(work, 'predictions.slp');
    const logFile = join(job, 'logs', 'predict.log');
    const logStart = await beginLog(logFile, `--- ${new Date().toISOString()} sleap-nn predict`);
    publish('loading sleap-nn');
    const sleapNn = await startSleapNn({
      python: deps.python,
      workDir: deps.workDir,
      spare: deps.warmTrainer,
      argv: [
        'predict',
        ...['--data_path', spec.input],
        ...spec.models.flatMap((id) => ['--model_paths', relative(dataset, join(deps.workDir, 'models', id))]),
        ...['--output_path', relative(dataset, unfinished)],
        ...(spec.frames === undefined ? [] : ['--frames', spec.frames]),
        ...(spec.tracking ? ['--tracking'] : []),
        '--gui',
      ],
      cwd: dataset,
      logFile,
      tmpDir,
      onLine: (line) => {
        frames = parseFrameLine(line) ?? frames;
        publish();
      },
    });
    const exit = await untilExit(sleapNn, context.cancellationSignal);
    context.cancellationSignal.throwIfAborted();
    const wrote = await stat(unfinished).then(Boolean, () => false);
    const error = judgePrediction(exit, wrote, await readLogTail(logFile, logStart), spec.input);
    if (error !== undefined) throw error;
    if (spec.frames !== undefined && (frames?.frames ?? 0) === 0) {
      throw new SleapRtcError('USAGE', `${spec.input} has none of the frames ${spec.frames}.`);
    }
    if (spec.source_path !== undefined) {
      await nameSource({
        python: deps.python,
        predictions: unfinished,
        input: spec.input,
        path: spec.source_path,
        signal: context.cancellationSignal,
      });
    }
    await rename(unfinished, output);
    const summary = { frames: frames?.frames ?? 0, seconds: Math.round((Date.now() - startedAtMs) / 100) / 10 };
    await writeFileAtomic(summaryFile, JSON.stringify(summary));
    return summary;
  };
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

async function readSummary(file: string, output: string): Promise<PredictionSummary | undefined> {
  try {
    await stat(output);
    return Summary.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}
