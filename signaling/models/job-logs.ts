import { SleapRtcError } from '../../protocol/errors.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import type { Bucket, ListedObject } from '../../storage/index.ts';

/** Bytes shown of each log, from its end, which has the reason of a failure. */
const TAIL_BYTES = 1024 * 1024;
/** Logs of one job: one for each run, and a job has at most 16 runs. */
const MAX_LOGS = 32;

/**
 * The logs of a job's sleap-nn runs as one text, each under its name.
 * Rejects with JOB_NOT_FOUND if there is none (yet), and with STORAGE_UNREACHABLE.
 */
export type ReadJobLogs = (roomId: string, jobId: string) => Promise<string>;

/** Reads the logs that the worker has put in the job's folder of the room bucket. */
export function createJobLogReader(bucket: Bucket): ReadJobLogs {
  return async (roomId, jobId) => {
    const prefix = s3Layout.jobLogs(roomId, jobId);
    const logs = await bucket.list(prefix, { limit: MAX_LOGS });
    if (logs.length === 0) throw new SleapRtcError('JOB_NOT_FOUND', `There is no log of job ${jobId} (yet).`);
    const texts = logs.map(async (log) => `==> ${log.key.slice(prefix.length)} <==\n${await endOf(bucket, log)}`);
    return (await Promise.all(texts)).join('\n');
  };
}

async function endOf(bucket: Bucket, { key, sizeBytes }: ListedObject): Promise<string> {
  if (sizeBytes === 0) return ''; // S3 refuses a range of an empty object
  const object = await bucket.get(key, { range: { from: Math.max(0, sizeBytes - TAIL_BYTES) } });
  return (await object?.text()) ?? '';
}
