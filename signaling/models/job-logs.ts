import { SleapRtcError } from '../../protocol/errors.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { MAX_LOG_LENGTH } from '../../protocol/wire/api.ts';
import type { Bucket, ListedObject } from '../../storage/index.ts';

/** Logs of one job: one for each run, and others of the job itself. */
const MAX_LOGS = 32;
/** Bytes shown of each log, or less if there are many. */
const TAIL_BYTES = 1024 * 1024;
/** Longest line that names a log, in characters. */
const MAX_HEADING = 256;

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
    // Each log's end has the reason of a failure. A character has at least one byte.
    const tailBytes = Math.min(TAIL_BYTES, Math.floor(MAX_LOG_LENGTH / logs.length) - MAX_HEADING);
    const texts = logs.map(async (log) => {
      const name = log.key.slice(prefix.length).slice(0, MAX_HEADING - 16);
      return `==> ${name} <==\n${await endOf(bucket, log, tailBytes)}`;
    });
    return (await Promise.all(texts)).join('\n');
  };
}

async function endOf(bucket: Bucket, { key, sizeBytes }: ListedObject, tailBytes: number): Promise<string> {
  if (sizeBytes === 0) return ''; // S3 refuses a range of an empty object
  const object = await bucket.get(key, { range: { from: Math.max(0, sizeBytes - tailBytes) } });
  return (await object?.text()) ?? '';
}
