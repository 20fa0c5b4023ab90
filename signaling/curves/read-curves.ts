import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { RunCurve } from '../../protocol/api.ts';
import type { JobModel } from '../../protocol/job.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { isMissing, reachingStorage } from '../models/s3-faults.ts';
import type { LossCurves } from './loss-curves.ts';
import { curveOfLog } from './training-log.ts';

/** Longest log that is read, in bytes: 10 000 epochs have about 2 MB. */
const MAX_LOG_BYTES = 8 * 1024 * 1024;

/**
 * A job's loss curves: those that its worker tells of, else those of the logs in its models' folders.
 * Rejects with JOB_NOT_FOUND, and with STORAGE_UNREACHABLE or TEMPORAL_UNREACHABLE where they have to be asked and are away.
 */
export type ReadCurves = (roomId: string, jobId: string) => Promise<RunCurve[]>;

/** Reads from memory first, then from the room bucket. */
export function createCurveReader(parts: {
  live: Pick<LossCurves, 'of'>;
  jobs: Pick<Jobs, 'status'>;
  s3: S3Client;
  bucket: string;
}): ReadCurves {
  const logged = async (roomId: string, model: JobModel, index: number): Promise<readonly RunCurve[]> => {
    const Key = `${s3Layout.model(roomId, model.id)}training_log.csv`;
    try {
      const { Body } = await parts.s3.send(
        new GetObjectCommand({ Bucket: parts.bucket, Key, Range: `bytes=0-${MAX_LOG_BYTES - 1}` }),
      );
      return curveOfLog((await Body?.transformToString()) ?? '', { run: model.run, run_index: index });
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  };
  return async (roomId, jobId) => {
    const live = parts.live.of(roomId, jobId);
    if (live.length > 0) return live;
    const { kind, models } = await parts.jobs.status(roomId, jobId);
    if (kind !== 'training') return [];
    const curves = models.map((model, index) => reachingStorage(() => logged(roomId, model, index)));
    return (await Promise.all(curves)).flat();
  };
}
