/** Names on which the processes that start workflows, run workflows and run activities must agree. */

/** The control worker's queue: workflows, and activities that need S3 and Temporal but no GPU. */
export const CONTROL_QUEUE = 'sleap-rtc-control';

/** The own queue of a running worker process. With `bootId`, a restarted process has another queue than the one before. */
export function workerQueue(room: string, worker: string, bootId: string): string {
  return `worker.${room}.${worker}.${bootId}`;
}

/** The queue on which a worker is asked to continue its session, after Temporal was unavailable and counted the worker as lost. */
export function workerSessionQueue(workerQueue: string): string {
  return `${workerQueue}.session`;
}

/** The priority of a job that names none. */
export const DEFAULT_PRIORITY = 3;
/** Longest fairness key that Temporal takes, in bytes. */
const MAX_FAIRNESS_KEY = 64;

/** A job's place in Temporal's queues: a lower priority key goes first, and users take turns among jobs of the same key. */
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
