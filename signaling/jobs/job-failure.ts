import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import { errorKind, isErrorCode } from '../../protocol/errors.ts';
import type { JobStatus } from '../../protocol/job.ts';

/** What a job that ended badly tells. */
export type JobFailure = NonNullable<JobStatus['error']>;

/** A chain of causes from elsewhere may be a ring. */
const MAX_CAUSES = 16;

/**
 * Reads a closed workflow's failure: our code, sentence and remedy, which an ApplicationFailure carries as type, message
 * and first detail, wherever it stands in the chain of causes; else what Temporal itself says.
 */
export function readJobFailure(error: unknown): JobFailure {
  const chain = causes(error);
  for (const cause of chain) {
    if (!(cause instanceof ApplicationFailure) || !isErrorCode(cause.type)) continue;
    const [remedy] = cause.details ?? [];
    return {
      code: cause.type,
      message: cause.message,
      remedy: typeof remedy === 'string' ? remedy : errorKind(cause.type).remedy,
    };
  }
  if (chain.some((cause) => cause instanceof CancelledFailure))
    return failure('JOB_CANCELLED', 'The job was cancelled.');
  const terminated = chain.find((cause) => cause instanceof TerminatedFailure);
  if (terminated instanceof Error) return failure('JOB_CANCELLED', `The job was terminated: ${terminated.message}`);
  if (chain.some((cause) => cause instanceof TimeoutFailure))
    return failure('INTERNAL', 'The job took longer than it may.');
  const last = chain.at(-1);
  return failure('INTERNAL', last instanceof Error ? last.message : 'The job failed.');
}

function failure(code: string, message: string): JobFailure {
  return { code, message, remedy: errorKind(code).remedy };
}

function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let cause = error; cause instanceof Error && chain.length < MAX_CAUSES; cause = cause.cause) {
    if (!(cause instanceof WorkflowFailedError)) chain.push(cause);
  }
  return chain;
}
