import { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor, WorkerInterceptors } from '@temporalio/worker';
import { convertErrors } from './convert-errors.ts';
import { heartbeats } from './heartbeats.ts';
import type { OrphanTakeover } from './orphan-takeover.ts';
import { parseInput } from './parse-input.ts';
import type { RunningActivities } from './running-activities.ts';

export { OrphanTakeover } from './orphan-takeover.ts';
export { type EndedActivity, RunningActivities } from './running-activities.ts';

/** What every activity runs in, on whichever worker. */
export function activityInterceptors(): WorkerInterceptors {
  return { activity: inOrder(parseInput, convertErrors(), heartbeats) };
}

interface JobInterceptorOptions {
  takeover: OrphanTakeover;
  running: RunningActivities;
  /** May replace an error by a better one. */
  explain: (error: unknown) => unknown;
}

/** What the activities on a worker's own queue run in: those of the job whose session it has. */
export function jobInterceptors({ takeover, running, explain }: JobInterceptorOptions): WorkerInterceptors {
  return {
    activity: inOrder(parseInput, jobWork(takeover), jobWork(running), convertErrors(explain), heartbeats),
  };
}

/** Leaves `endGpuSession` out: it is no work of the job but waits until that has stopped. */
function jobWork(interceptor: Required<ActivityInboundCallsInterceptor>): ActivityInboundCallsInterceptor {
  return {
    execute: (input, next) =>
      Context.current().info.activityType === 'endGpuSession' ? next(input) : interceptor.execute(input, next),
  };
}

/** @param interceptors the outermost first */
function inOrder(...interceptors: ActivityInboundCallsInterceptor[]): NonNullable<WorkerInterceptors['activity']> {
  return interceptors.map((inbound) => () => ({ inbound }));
}
