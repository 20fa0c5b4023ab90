import { type NativeConnection, Worker } from '@temporalio/worker';
import type { createSessionActivities } from '../../activities/session/index.ts';
import { workerSessionQueue } from '../../protocol/temporal/queues.ts';
import { sessionQueuesOf, type WorkerOffer } from '../../protocol/temporal/session-queues.ts';
import { diskFullOrWithSizes } from '../../storage/index.ts';
import {
  activityInterceptors,
  jobInterceptors,
  type OrphanTakeover,
  type RunningActivities,
} from '../interceptors/index.ts';
import type { GpuWorkerConfig } from './config.ts';
import { gpuMemoryTakenOr } from './health/gpu-memory-taken.ts';
import type { GpuSlot } from './slot/gpu-slot.ts';
import { sessionTuner } from './slot/session-tuner.ts';

/**
 * Activities of one job on its worker run one after the other. A few more places let a session end while one is in progress, and
 * let attempts take over orphaned ones.
 */
const WORKER_ACTIVITIES = 8;
/** Cancellation reaches an activity with its next heartbeat, so heartbeats must not be delayed for long. In milliseconds. */
const HEARTBEAT_THROTTLE_MS = 1_000;
/** This part of the grace after SIGTERM is left for the process's own end, in milliseconds. */
const EXIT_MS = 3_000;

interface TemporalWorkersOptions {
  config: GpuWorkerConfig;
  connection: NativeConnection;
  /** This process's own queue. */
  queue: string;
  offer: WorkerOffer;
  slot: GpuSlot;
  sessionActivities: ReturnType<typeof createSessionActivities>;
  jobActivities: object;
  takeover: OrphanTakeover;
  running: RunningActivities;
}

/** The Temporal workers of a GPU worker: one polls for the activities of its job, the others for sessions. */
export function createTemporalWorkers(options: TemporalWorkersOptions): Promise<Worker[]> {
  const { config, connection, queue, offer, slot, jobActivities, takeover, running } = options;
  const { endGpuSession, runGpuSession } = options.sessionActivities;
  const shared = {
    connection,
    namespace: config.temporal.namespace,
    shutdownForceTime: config.graceMs - EXIT_MS,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
  };
  const forSessions = {
    ...shared,
    // At SIGTERM the job's own activities are cancelled at once; the session ends when they have stopped.
    shutdownGraceTime: config.graceMs - EXIT_MS,
    activities: { runGpuSession },
    interceptors: activityInterceptors(),
  };
  const explain = async (error: unknown) => diskFullOrWithSizes(await gpuMemoryTakenOr(error), config.workDir);
  return Promise.all([
    Worker.create({
      ...shared,
      taskQueue: queue,
      activities: { endGpuSession, ...jobActivities },
      interceptors: jobInterceptors({ takeover, running, explain }),
      maxConcurrentActivityTaskExecutions: WORKER_ACTIVITIES,
    }),
    Worker.create({
      ...forSessions,
      taskQueue: workerSessionQueue(queue),
      maxConcurrentActivityTaskExecutions: WORKER_ACTIVITIES,
    }),
    ...sessionQueuesOf(config.room, offer).map((taskQueue) =>
      Worker.create({ ...forSessions, taskQueue, tuner: sessionTuner(slot) }),
    ),
  ]);
}
