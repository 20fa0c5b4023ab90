import type { SourceFile } from '../../../transport/index.ts';
import type { RoomApi } from '../api/api-client.ts';
import {
  type RetryWhileUnavailableOptions,
  retryOptions,
  retryWhileUnavailable,
} from '../api/retry-while-unavailable.ts';
import { endInterrupted, type OnInterrupt, whenInterrupted } from '../follow/end-interrupted.ts';
import { type Followed, type FollowOptions, JobFollower } from '../follow/follow-job.ts';
import type { DataState, InterruptWatch } from '../follow/interrupts.ts';
import type { PreparedFiles } from '../inputs/prepared-files.ts';
import type { Display } from '../output/display.ts';
import { JobProgress } from '../output/job-progress.ts';
import { type JobOutcome, jobOutcome } from '../results/job-outcome.ts';
import { arrivalFolder, removePartial } from '../results/partial-folder.ts';
import { openHashCache } from '../settings/hash-cache.ts';
import { forgetJob } from './remembered-job.ts';

/** What `train`, `infer` and `jobs attach` need to know about a job. */
export interface ActiveJobOptions {
  api: RoomApi;
  jobId: string;
  /** Folder for the results. */
  output: string;
  onInterrupt: OnInterrupt;
  /** Folder that remembers the submitted jobs, so that `jobs attach` can serve their data again. */
  configFolder: string;
  /** True if the server has the job already. */
  submitted: boolean;
}

/** The options of a follower that an `ActiveJob` does not know itself. */
type EnterOptions = Pick<FollowOptions, 'requirements' | 'waitMs' | 'stage' | 'detach'> & {
  sources: SourceFile[] | undefined;
};

/** A job that this process submits or follows: its progress, Ctrl-C, and everything that must be closed in the end. */
export class ActiveJob {
  readonly api: RoomApi;
  readonly id: string;
  readonly output: string;
  readonly configFolder: string;
  readonly progress: JobProgress;
  readonly retry: RetryWhileUnavailableOptions;
  /** True once the server may have the job. */
  submitted: boolean;
  readonly #started = Date.now();
  readonly #interrupts: InterruptWatch;
  #prepared: PreparedFiles | undefined;
  #follower: JobFollower | undefined;

  constructor({ api, jobId, output, onInterrupt, configFolder, submitted }: ActiveJobOptions, display: Display) {
    this.api = api;
    this.id = jobId;
    this.output = output;
    this.configFolder = configFolder;
    this.submitted = submitted;
    this.progress = new JobProgress(display);
    this.#interrupts = whenInterrupted(onInterrupt, display, jobId, () => this.#state());
    this.retry = retryOptions(this.progress, this.signal);
  }

  /** Aborted if the researcher detaches or cancels. */
  get signal(): AbortSignal {
    return this.#interrupts.signal;
  }

  /** Takes over the job's files: they are closed with the job. */
  own<Prepared extends PreparedFiles>(prepared: Prepared): Prepared {
    this.#prepared = prepared;
    return prepared;
  }

  /** Enters the room on behalf of the job. @throws SleapRtcError TOKEN_REFUSED and such */
  async enterRoom(options: EnterOptions): Promise<JobFollower> {
    const { api, id: jobId, progress, signal } = this;
    const cache = await openHashCache();
    const resultsFolder = arrivalFolder(this.output, jobId);
    const following = { ...options, api, jobId, cache, resultsFolder, progress, signal };
    this.#follower = await retryWhileUnavailable(() => JobFollower.enter(following), this.retry);
    return this.#follower;
  }

  /** Brings the results of a followed job to their folder. @throws SleapRtcError the job's own error if it failed */
  async finish(followed: Followed, temporalUiUrl: string | null): Promise<JobOutcome> {
    if (!followed.left) await forgetJob(this.configFolder, this.id);
    const { api, output, progress, signal } = this;
    return jobOutcome(followed, { api, output, progress, temporalUiUrl, started: this.#started, signal });
  }

  /** The error to end the command with: the thrown one, or the outcome of the job if the researcher interrupted. */
  error(thrown: unknown): Promise<unknown> {
    const { api, id: jobId, progress } = this;
    return endInterrupted(thrown, { api, jobId, progress, ...this.#state() });
  }

  async close(): Promise<void> {
    await this.#follower?.close();
    await this.#prepared?.close();
    // Results arrive only after the submission; before it, the folder may be unusable.
    if (this.submitted) await removePartial(this.output, this.id);
    this.#interrupts.close();
  }

  #state(): { submitted: boolean } & DataState {
    return {
      submitted: this.submitted,
      workerHasData: this.#follower?.workerHasData ?? false,
      dataIsStaged: this.#follower?.dataIsStaged ?? false,
    };
  }
}
