import type { Logger } from 'pino';
import { toSleapRtcError } from '../../../protocol/errors.ts';
import type { WorkerProgress } from '../../../protocol/jobs/job-view.ts';
import type { SignalingClient } from '../../../transport/index.ts';

/** Reports that wait while the server is unavailable; the oldest is given up. A run seldom has more epochs. */
const MAX_WAITING = 1000;

interface Report {
  sessionId: string;
  progress: WorkerProgress;
}

export interface ProgressReporterOptions {
  signaling: Pick<SignalingClient, 'reportProgress' | 'connected' | 'on'>;
  /** Whose session the reports are about. */
  slot: { readonly sessionId: string | undefined };
  logger: Logger;
}

/**
 * Reports a job's progress to the server, one message at a time and in order. While the server is slow or unavailable only what
 * readers must not miss waits: finished epochs, changes of phase, staged data, and the newest report.
 */
export class ProgressReporter {
  readonly #options: ProgressReporterOptions;
  readonly #waiting: Report[] = [];
  readonly #off: () => void;
  #sending = false;

  constructor(options: ProgressReporterOptions) {
    this.#options = options;
    this.#off = options.signaling.on('connected', () => void this.#send());
  }

  /** Takes a report and returns at once. Does nothing without a session. */
  readonly publishProgress = (progress: WorkerProgress): void => {
    const { sessionId } = this.#options.slot;
    if (sessionId === undefined) return;
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.sessionId === sessionId && isReplacedBy(last.progress, progress))
      this.#waiting.pop();
    this.#waiting.push({ sessionId, progress });
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    void this.#send();
  };

  close(): void {
    this.#off();
    this.#waiting.length = 0;
  }

  async #send(): Promise<void> {
    const { signaling, logger } = this.#options;
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (signaling.connected) {
        const report = this.#waiting.shift();
        if (report === undefined) break;
        try {
          await signaling.reportProgress(report.sessionId, report.progress);
        } catch (error) {
          logger.debug({ err: error }, 'progress not reported');
          if (toSleapRtcError(error).code === 'SERVER_UNREACHABLE') this.#waiting.unshift(report);
        }
      }
    } finally {
      this.#sending = false;
    }
  }
}

/** True if readers lose nothing when the later report is all that they get. */
function isReplacedBy(earlier: WorkerProgress, later: WorkerProgress): boolean {
  if (earlier.job_id !== later.job_id || earlier.phase !== later.phase || earlier.staging !== later.staging)
    return false;
  const { epoch } = earlier;
  return epoch === undefined || (epoch.run === later.epoch?.run && epoch.epoch === later.epoch.epoch);
}
