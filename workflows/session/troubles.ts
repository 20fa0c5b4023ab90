import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { RunGpuSessionInput } from '../../activities/contract.ts';
import { type ErrorCode, SleapRtcError } from '../../protocol/errors.ts';
import { fromFailure } from '../../protocol/temporal/failures.ts';

/** Activities whose failure may be the worker's fault. What comes after them has results, which are not left behind. */
const ACTIVITIES: ReadonlySet<string> = new Set(['receiveDataset', 'ensureModels', 'train', 'predict']);
/** Errors that another worker may not have. INTERNAL is one if a retry on the same worker did not help. */
const TROUBLES: ReadonlySet<string> = new Set([
  'GPU_BROKEN',
  'GPU_MEMORY_TAKEN',
  'DISK_FULL',
  'TRAINER_KILLED',
  'INTERNAL',
] satisfies ErrorCode[]);
/** After so many failures for the same reason, the job itself is to blame. */
const MAX_SAME_REASON = 2;
/** Most workers that are avoided at a time; the schema of a session takes no more. */
const MAX_AVOIDED = 64;
/** For so long a worker is not asked again, in milliseconds; twice as long after each further trouble there. */
const FIRST_AVOID_MS = 2 * 60_000;
const LONGEST_AVOID_MS = 30 * 60_000;

/** Trouble of the worker with a job, from which the job moves to another worker. */
export interface Trouble {
  error: SleapRtcError;
  /** True if the job may have caused it. */
  mayBeTheJobs: boolean;
}

/** Returns the worker's trouble that a body has failed with; undefined if another worker would not help. */
export function troubleIn(failure: unknown): Trouble | undefined {
  if (!(failure instanceof ActivityFailure) || !ACTIVITIES.has(failure.activityType)) return undefined;
  const { cause, activityType } = failure;
  if (!(cause instanceof ApplicationFailure) || !TROUBLES.has(cause.type ?? '')) return undefined;
  if (cause.type === 'INTERNAL' && cause.nonRetryable === true) return undefined;
  // Another program has the GPU's memory, as the worker has seen; or the disk is full before the job has made anything.
  const isWorkers =
    cause.type === 'GPU_MEMORY_TAKEN' || (cause.type === 'DISK_FULL' && /^(receive|ensure)/.test(activityType));
  return { error: fromFailure(failure), mayBeTheJobs: !isWorkers };
}

/** The workers that had trouble with a job. They are avoided for a while, so that another worker takes the job, or it waits. */
export class Troubles {
  readonly #byWorker = new Map<string, { times: number; untilMs: number; message: string }>();
  readonly #byReason = new Map<ErrorCode, string[]>();

  /** Records a trouble. @throws SleapRtcError the trouble's error, if the job has failed twice for this reason */
  add(worker: string, { error, mayBeTheJobs }: Trouble): void {
    const times = (this.#byWorker.get(worker)?.times ?? 0) + 1;
    const avoidMs = Math.min(FIRST_AVOID_MS * 2 ** (times - 1), LONGEST_AVOID_MS);
    this.#byWorker.delete(worker); // the latest one is the last
    this.#byWorker.set(worker, { times, untilMs: Date.now() + avoidMs, message: error.message });
    if (!mayBeTheJobs) return;
    const failedOn = [...(this.#byReason.get(error.code) ?? []), worker];
    this.#byReason.set(error.code, failedOn);
    if (failedOn.length < MAX_SAME_REASON) return;
    const { code, message, remedy } = error;
    const where = new Set(failedOn).size > 1 ? `on ${failedOn.join(' and ')}` : `twice on ${worker}`;
    throw new SleapRtcError(code, `${message} The job failed ${where} for the same reason.`, { remedy, cause: error });
  }

  /** The workers that must not take the job now. */
  get avoid(): NonNullable<RunGpuSessionInput['avoid']> {
    return [...this.#byWorker]
      .filter(([, { untilMs }]) => untilMs > Date.now())
      .map(([worker, { untilMs }]) => ({ worker, until_ms: untilMs }))
      .slice(-MAX_AVOIDED);
  }

  /** Says in words what has happened, newest first; undefined if nothing has. */
  get sentence(): string | undefined {
    const [latest] = [...this.#byWorker].reverse();
    if (latest === undefined) return undefined;
    const [worker, { message }] = latest;
    return `${worker} had trouble: ${message}`;
  }
}
