import { SleapRtcError } from '../../../protocol/errors.ts';
import { isFinal } from '../../../protocol/jobs/job.ts';
import type { JobView } from '../../../protocol/jobs/job-view.ts';
import type { SignalingClient } from '../../../transport/index.ts';

/** Longest wait for an unavailable server or Temporal, in ms. A deployment or a reboot takes minutes. */
const UNAVAILABLE_TIMEOUT_MS = 30 * 60_000;

/** Shown while something is unavailable. */
const LOST_CONNECTION = 'The connection to the server is lost. Connecting again; the job is not lost.';
const NO_TEMPORAL = 'Temporal cannot be reached. Waiting until it is available again; nothing is lost.';

/** Options of a feed. */
export interface JobFeedOptions {
  signaling: SignalingClient;
  jobId: string;
  onView: (view: JobView) => void;
  /** Called before `onView` if the reader may have missed events before this view. */
  onGap: (view: JobView) => Promise<void>;
  /** Called with a sentence that names the unavailable service, and with undefined when it is available again. */
  onTrouble: (source: 'signaling' | 'temporal', sentence: string | undefined) => void;
}

/** Receives one job's views from the server, also across interruptions of the connection. */
export class JobFeed {
  readonly #options: JobFeedOptions;
  readonly #ended = Promise.withResolvers<JobView>();
  readonly #offs: (() => void)[];
  readonly #unavailable = new Set<'signaling' | 'temporal'>();
  /** Handles the messages in the order in which they arrived. */
  #steps: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #view: JobView | undefined;

  constructor(options: JobFeedOptions) {
    this.#options = options;
    const { signaling, jobId } = options;
    // It may fail before anyone waits for it.
    this.#ended.promise.catch(() => undefined);
    this.#offs = [
      signaling.on('job_event', ({ job }) => this.#inOrder(async () => this.#take(job))),
      signaling.on('jobs_subscribed', ({ jobs }) => {
        const job = jobs?.find(({ job_id }) => job_id === jobId);
        if (job === undefined) return;
        this.#inOrder(async () => {
          await options.onGap(job);
          this.#take(job);
        });
      }),
      signaling.on('disconnected', () => this.#trouble('signaling', LOST_CONNECTION)),
      signaling.on('connected', () => this.#trouble('signaling', undefined)),
      signaling.on('refused', ({ error }) => this.#ended.reject(error)),
    ];
  }

  /** The newest view of the job; undefined until the first one has arrived. */
  get view(): JobView | undefined {
    return this.#view;
  }

  /**
   * Resolves with the final view.
   * @throws SleapRtcError ROOM_EXPIRED and such; SERVER_UNREACHABLE or TEMPORAL_UNREACHABLE after half an hour; the signal's reason
   */
  async untilEnd(signal: AbortSignal): Promise<JobView> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    try {
      return await Promise.race([this.#ended.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const off of this.#offs) off();
  }

  #inOrder(step: () => Promise<void>): void {
    this.#steps = this.#steps.then(step).catch((error: unknown) => this.#ended.reject(error));
  }

  #take(view: JobView): void {
    if (view.job_id !== this.#options.jobId) return;
    this.#view = view;
    this.#trouble('temporal', view.outdated ? NO_TEMPORAL : undefined);
    this.#options.onView(view);
    if (isFinal(view.phase)) this.#ended.resolve(view);
  }

  #trouble(source: 'signaling' | 'temporal', sentence: string | undefined): void {
    this.#options.onTrouble(source, sentence);
    if (sentence !== undefined) this.#unavailable.add(source);
    else this.#unavailable.delete(source);
    if (this.#unavailable.size === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      return;
    }
    const code = source === 'temporal' ? 'TEMPORAL_UNREACHABLE' : 'SERVER_UNREACHABLE';
    const giveUp = () => this.#ended.reject(new SleapRtcError(code, 'The job could not be followed for half an hour.'));
    this.#timer ??= setTimeout(giveUp, UNAVAILABLE_TIMEOUT_MS);
  }
}
