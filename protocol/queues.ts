/** Names that must agree between the processes that start workflows, run them and do their activities. */

/** Workflows, and activities that need S3 and Temporal but no GPU. Polled by the control worker. */
export const CONTROL_QUEUE = 'sleap-rtc-control';

/** A running worker process's own queue. `bootId` tells a restarted process from the one whose files are lost. */
export function workerQueue(room: string, worker: string, bootId: string): string {
  return `worker.${room}.${worker}.${bootId}`;
}

/** Where the worker behind a queue is asked to go on holding its session, after Temporal was away and has lost sight of it. */
export function workerSessionQueue(workerQueue: string): string {
  return `${workerQueue}.session`;
}

/** A job's priority where nothing is said. */
export const DEFAULT_PRIORITY = 3;
/** Longest fairness key that Temporal takes, in bytes. */
const MAX_FAIRNESS_KEY = 64;

/** How a job stands in Temporal's queues: a lower key goes first, and among jobs of one key their users take turns. */
export function queuePriority(userId: string, priority: number = DEFAULT_PRIORITY) {
  return { priorityKey: priority, fairnessKey: userId.slice(0, MAX_FAIRNESS_KEY) };
}

/** A job's workflow id: the room is part of it, so that one room's token cannot reach another's job. */
export function jobWorkflowId(room: string, jobId: string): string {
  return `job:${room}:${jobId}`;
}

/** The one workflow through which a room's manifest is changed. */
export function roomRegistryWorkflowId(room: string): string {
  return `room-registry:${room}`;
}
