import { MAX_CURVE_POINTS } from '../../protocol/jobs/curve.ts';
import { type JobModel, MAX_RUNS } from '../../protocol/jobs/job.ts';
import type { RunCurve } from '../../protocol/jobs/run-curve.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import type { Bucket } from '../../storage/index.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { curveOfLog } from './curve-of-log.ts';
import type { LossCurves } from './loss-curves.ts';

/** Longest log that is read, in bytes: 10 000 epochs have about 2 MB. */
const MAX_LOG_BYTES = 8 * 1024 * 1024;

/**
 * A job's loss curves: those that its worker reports, or else those of the logs in its models' folders and of the logs that were
 * uploaded while it trained.
 * Rejects with JOB_NOT_FOUND, STORAGE_UNREACHABLE or TEMPORAL_UNREACHABLE.
 */
export type ReadCurves = (roomId: string, jobId: string) => Promise<RunCurve[]>;

/** Reads from memory first, then from the room bucket. */
export function createCurveReader(parts: {
  live: Pick<LossCurves, 'of'>;
  jobs: Pick<Jobs, 'read'>;
  bucket: Bucket;
}): ReadCurves {
  const readLog = async (key: string, run: { run: string; run_index: number }): Promise<readonly RunCurve[]> => {
    const log = await parts.bucket.get(key, { range: { from: 0, to: MAX_LOG_BYTES - 1 } });
    return log === undefined ? [] : curveOfLog(await log.text(), run);
  };
  const ofModel = (roomId: string, model: JobModel, index: number): Promise<readonly RunCurve[]> =>
    readLog(`${s3Layout.model(roomId, model.id)}training_log.csv`, { run: model.run, run_index: index });
  /** What the worker has uploaded of each run while it trained. */
  const ofRuns = async (roomId: string, jobId: string): Promise<readonly RunCurve[]> => {
    const prefix = s3Layout.jobCurves(roomId, jobId);
    const listed = await parts.bucket.list(prefix, { limit: MAX_RUNS });
    const runs = listed.flatMap(({ key }) => {
      const [, index, run] = /^(\d+)\.(.+)\.csv$/.exec(key.slice(prefix.length)) ?? [];
      return run === undefined ? [] : [{ key, run, run_index: Number(index) }];
    });
    return (await Promise.all(runs.map(({ key, ...run }) => readLog(key, run)))).flat();
  };
  return async (roomId, jobId) => {
    const live = parts.live.of(roomId, jobId);
    // A server that has freed the room in between, or was restarted without a backup, knows the newer epochs only.
    if (live.length > 0 && live.every(({ epochs }) => epochs[0] === 1)) return live;
    if (live.length > 0) return withEarlier(live, await ofRuns(roomId, jobId).catch(() => []));
    const { kind, models } = (await parts.jobs.read(roomId, jobId)).status;
    if (kind !== 'training') return [];
    const curves = (await Promise.all(models.map((model, index) => ofModel(roomId, model, index)))).flat();
    // Of a job that failed or was cancelled, or whose models were removed.
    const others = (await ofRuns(roomId, jobId)).filter(({ run }) => curves.every((curve) => curve.run !== run));
    return [...curves, ...others].sort((a, b) => a.run_index - b.run_index);
  };
}

/** Puts before each curve what its log has of earlier epochs. */
function withEarlier(curves: readonly RunCurve[], logs: readonly RunCurve[]): RunCurve[] {
  return curves.map((curve) => {
    const log = logs.find(({ run }) => run === curve.run);
    const first = curve.epochs[0] ?? 1;
    const count = log?.epochs.findLastIndex((epoch) => epoch < first) ?? -1;
    if (log === undefined || count < 0) return curve;
    const joined = <Value>(earlier: readonly Value[], later: readonly Value[]) =>
      [...earlier.slice(0, count + 1), ...later].slice(-MAX_CURVE_POINTS);
    return {
      ...curve,
      epochs: joined(log.epochs, curve.epochs),
      train_loss: joined(log.train_loss, curve.train_loss),
      val_loss: joined(log.val_loss, curve.val_loss),
    };
  });
}
