// Health check of a Temporal worker: `node polls.mjs TASK_QUEUE` succeeds if a process of this host has asked Temporal
// for work in the last five minutes. Temporal removes other pollers from its list.
import { hostname } from 'node:os';
import { Connection } from '@temporalio/client';

/** A long poll lasts a minute, so a worker that lives has asked within this time. */
const LATELY_MS = 150_000;
const WORKFLOW_TASKS = 1;

const taskQueue = process.argv[2];
const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS, connectTimeout: 5000 });
const { pollers } = await connection.workflowService.describeTaskQueue({
  namespace: process.env.TEMPORAL_NAMESPACE ?? 'default',
  taskQueue: { name: taskQueue },
  taskQueueType: WORKFLOW_TASKS,
});
const alive = (pollers ?? []).some(
  ({ identity, lastAccessTime }) =>
    identity?.endsWith(`@${hostname()}`) && Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < LATELY_MS,
);
await connection.close();
if (!alive) process.stderr.write(`Nothing on ${hostname()} polls ${taskQueue}.\n`);
process.exit(alive ? 0 : 1);
