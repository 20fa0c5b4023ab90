import { SleapRtcError } from '../../protocol/errors.ts';
import { totalBytes } from '../../protocol/files.ts';
import type { JobContext, JobSpec } from '../../protocol/jobs/job.ts';
import type { JobAction } from '../../protocol/jobs/job-action.ts';
import { TokenBucket } from '../limits/token-bucket.ts';
import type { Jobs } from './jobs.ts';

/** Bytes in a GB of a setting. */
const GB = 1e9;

/**
 * Actions that one job takes. Temporal allows 2000 Updates in the history of a workflow, and each one makes it longer. Cancelling is
 * counted apart, so that nobody can prevent it by pausing and resuming.
 */
const ACTION_RATE = { burst: 20, perSecond: 1 / 10 };
/** Jobs whose actions are counted; the one that was asked longest ago is forgotten. */
const MAX_COUNTED_JOBS = 10_000;
/** Requests of one job that are remembered, since a request that is sent again counts once. */
const MAX_REQUESTS = 32;

/** How many jobs may be running or waiting, and how large each may be. */
export interface JobLimitsConfig {
  /** Jobs of one user in one room that have not ended. */
  jobsPerUser: number;
  /** Jobs of one room that have not ended. */
  jobsPerRoom: number;
  /** Data of one job, in GB. */
  jobGb: number;
}

interface CountedJob {
  cancel: TokenBucket;
  others: TokenBucket;
  requests: Set<string>;
}

/** Decides whether a job may be submitted, and whether an action may be sent to one. */
export class JobLimits {
  readonly #jobs: Pick<Jobs, 'countActive' | 'read'>;
  readonly #config: JobLimitsConfig;
  readonly #counted = new Map<string, CountedJob>();

  constructor(parts: { jobs: Pick<Jobs, 'countActive' | 'read'>; config: JobLimitsConfig }) {
    this.#jobs = parts.jobs;
    this.#config = parts.config;
  }

  /**
   * Lets a new job in. One that was submitted before is always let in, since its answer may have been lost.
   * @throws SleapRtcError LIMIT_REACHED; USAGE if the job is too large; TEMPORAL_UNREACHABLE
   */
  async admit(spec: JobSpec, { room_id, user_id }: Pick<JobContext, 'room_id' | 'user_id'>): Promise<void> {
    const { jobsPerUser, jobsPerRoom, jobGb } = this.#config;
    const bytes = totalBytes(spec.files);
    if (bytes > jobGb * GB) {
      const size = Math.ceil(bytes / GB);
      throw new SleapRtcError('USAGE', `The job has ${size} GB of data; this server takes jobs of up to ${jobGb} GB.`, {
        remedy: 'Use fewer or smaller files, or ask the lab’s admin to raise SLEAP_RTC_JOB_GB.',
      });
    }
    const { inRoom, ofUser } = await this.#jobs.countActive(room_id, user_id);
    const isFull = inRoom >= jobsPerRoom;
    if ((!isFull && ofUser < jobsPerUser) || (await this.#isKnown(room_id, spec.job_id))) return;
    const [whose, limit] = isFull ? ['The room has', jobsPerRoom] : ['You have', jobsPerUser];
    throw new SleapRtcError('LIMIT_REACHED', `${whose} ${limit} jobs that have not ended, which is the limit.`, {
      remedy: 'Submit the job again if some of them have ended, or cancel those that nobody needs.',
    });
  }

  /**
   * Lets an action through to a job.
   * @param requestId a request with the same id counts once
   * @throws SleapRtcError LIMIT_REACHED
   */
  admitAction(roomId: string, jobId: string, action: JobAction, requestId: string): void {
    const key = `${roomId}/${jobId}`;
    const job = this.#counted.get(key) ?? {
      cancel: new TokenBucket(ACTION_RATE),
      others: new TokenBucket(ACTION_RATE),
      requests: new Set<string>(),
    };
    this.#counted.delete(key);
    this.#counted.set(key, job);
    dropOldest(this.#counted, MAX_COUNTED_JOBS);
    if (job.requests.has(requestId)) return;
    if (!(action === 'cancel' ? job.cancel : job.others).take(1)) {
      throw new SleapRtcError('LIMIT_REACHED', `Job ${jobId} has had too many requests in a short time.`);
    }
    job.requests.add(requestId);
    dropOldest(job.requests, MAX_REQUESTS);
  }

  async #isKnown(roomId: string, jobId: string): Promise<boolean> {
    try {
      await this.#jobs.read(roomId, jobId, { recordOnly: true });
      return true;
    } catch (error) {
      if (error instanceof SleapRtcError && error.code === 'JOB_NOT_FOUND') return false;
      throw error;
    }
  }
}

/** Removes what was added first, if there is more than the limit. */
function dropOldest(entries: Map<string, unknown> | Set<string>, limit: number): void {
  const [oldest] = entries.keys();
  if (entries.size > limit && oldest !== undefined) entries.delete(oldest);
}
