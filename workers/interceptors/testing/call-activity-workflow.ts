import { type ActivityFunction, proxyActivities } from '@temporalio/workflow';

/** Calls one activity with whatever is given, and returns what it returns. */
export async function callActivity(activity: string, taskQueue: string, args: unknown[]): Promise<unknown> {
  const activities = proxyActivities<Record<string, ActivityFunction>>({
    taskQueue,
    startToCloseTimeout: '20s',
    retry: { initialInterval: '10ms', maximumAttempts: 3 },
  });
  return activities[activity]?.(...args);
}
