import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import type { RunCurve } from '../../protocol/api.ts';
import type { JobModel } from '../../protocol/job.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { isMissing, reachingStorage } from '../models/s3-faults.ts';
import type { LossCurves } from './loss-curves.ts';
import { curveOfLog } from './training-log.ts';

/** Longest log that is read, in bytes: 10 000 epochs have about 2 MB. */
const MAX_LOG_BYTES = 8 * 1024 * 1024;

/** Runs of one job, as many as a job may have. */
const MAX_RUNS = 16;

/**
 * A job's loss curves: those that its worker tells of, else those of the logs in its models' folders, and of the logs that were
 * kept while it trained.
 * Rejects with JOB_NOT_FOUND, and with STORAGE_UNREACHABLE or TEMPORAL_UNREACHABLE where they have to be asked and are away.
 */
export type ReadCurves = (roomId: string, jobId: string) => Promise<RunCurve[]>;

/** Reads from memory first, then from the room bucket. */
export function createCurveReader(parts: {
  live: Pick<LossCurves, 'of'>;
  jobs: Pick<Jobs, 'read'>;
  s3: S3Client;
  bucket: string;
}): ReadCurves {
  const readLog = async (Key: string, run: { run: string; run_index: number }): Promise<readonly RunCurve[]> => {
    try {
      const { Body } = await parts.s3.send(
        new GetObjectCommand({ Bucket: parts.bucket, Key, Range: `bytes=0-${MAX_LOG_BYTES - 1}` }),
      );
      return curveOfLog((await Body?.transformToString()) ?? '', run);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  };
  const logged = (roomId: string, model: JobModel, index: number): Promise<readonly RunCurve[]> =>
    readLog(`${s3Layout.model(roomId, model.id)}training_log.csv`, { run: model.run, run_index: index });
  /** What the worker has kept of each run while it trained. */
  const kept = async (roomId: string, jobId: string): Promise<readonly RunCurve[]> => {
    const Prefix = s3Layout.jobCurves(roomId, jobId);
    const listed = await parts.s3.send(new ListObjectsV2Command({ Bucket: parts.bucket, Prefix, MaxKeys: MAX_RUNS }));
    const runs = (listed.Contents ?? []).flatMap(({ Key = '' }) => {
      const [, index, run] = /^(\d+)\.(.+)\.csv$/.exec(Key.slice(Prefix.length)) ?? [];
      return run === undefined ? [] : [{ Key, run, run_index: Number(index) }];
    });
    return (await Promise.all(runs.map(({ Key, ...run }) => readLog(Key, run)))).flat();
  };
  return async (roomId, jobId) => {
    const live = parts.live.of(roomId, jobId);
    if (live.length > 0) return live;
    const { kind, models } = (await parts.jobs.read(roomId, jobId)).status;
    if (kind !== 'training') return [];
    const ofModels = models.map((model, index) => reachingStorage(() => logged(roomId, model, index)));
    const curves = (await Promise.all(ofModels)).flat();
    // A job that failed, was cancelled, or whose models were removed.
    const others = (await reachingStorage(() => kept(roomId, jobId))).filter(({ run }) =>
      curves.every((c) => c.run !== run),
    );
    return [...curves, ...others].sort((a, b) => a.run_index - b.run_index);
  };
}
