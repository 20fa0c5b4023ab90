import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { SleapRtcError } from '../../protocol/errors.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { reachingStorage } from './s3-faults.ts';

/** Bytes shown of each log, from its end, where the reason of a failure stands. */
const TAIL_BYTES = 1024 * 1024;
/** Logs of one job: one a run, of at most 16 runs. */
const MAX_LOGS = 32;

/**
 * The logs of a job's sleap-nn runs as one text, each under its name. Rejects with JOB_NOT_FOUND where there is none (yet),
 * with STORAGE_UNREACHABLE where S3 is away.
 */
export type ReadJobLogs = (roomId: string, jobId: string) => Promise<string>;

/** Reads the logs that the worker has put in the job's folder of the room bucket. */
export function createJobLogReader(s3: S3Client, bucket: string): ReadJobLogs {
  return (roomId, jobId) =>
    reachingStorage(async () => {
      const prefix = `${s3Layout.job(roomId, jobId)}logs/`;
      const list = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: MAX_LOGS });
      const objects = (await s3.send(list)).Contents ?? [];
      if (objects.length === 0) throw new SleapRtcError('JOB_NOT_FOUND', `There is no log of job ${jobId} (yet).`);
      const texts = objects.map(async ({ Key = '', Size = 0 }) => {
        const header = `==> ${Key.slice(prefix.length)} <==\n`;
        if (Size === 0) return header; // S3 refuses a range of an empty object
        const Range = `bytes=${Math.max(0, Size - TAIL_BYTES)}-`;
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key, Range }));
        return `${header}${(await Body?.transformToString()) ?? ''}`;
      });
      return (await Promise.all(texts)).join('\n');
    });
}
