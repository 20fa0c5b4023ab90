import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createDatasetActivities } from '../../activities/datasets/index.ts';
import { createModelActivities } from '../../activities/models/index.ts';
import { createSessionActivities } from '../../activities/session/index.ts';
import { createSleapNnActivities, WarmTrainer } from '../../activities/sleap-nn/index.ts';
import { createTransferActivities, DatasetStore } from '../../activities/transfer/index.ts';
import { workerQueue, workerSessionQueue } from '../../protocol/queues.ts';
import { sessionQueuesOf } from '../../protocol/session-queues.ts';
import { diskFullOrWithSizes } from '../../storage/disk-full.ts';
import { createS3Client } from '../../storage/s3-client.ts';
import { SignalingClient } from '../../transport/index.ts';
import { activityInterceptors, jobInterceptors, OrphanTakeover, RunningActivities } from '../interceptors/index.ts';
import { runTogether } from '../run-together.ts';
import type { GpuWorkerConfig } from './config.ts';
import { detectCapabilities } from './health/capabilities.ts';
import { endLeftovers } from './health/leftovers.ts';
import { selfCheck } from './health/self-check.ts';
import { WorkerHealth } from './health/worker-health.ts';
import { workerIdentity } from './room/identity.ts';
import { ManifestWatch } from './room/manifest-copy.ts';
import { modelsInCache, Presence, workerMetadata } from './room/presence.ts';
import { Drain } from './slot/drain.ts';
import { GpuSlot } from './slot/gpu-slot.ts';
import { sessionTuner } from './slot/session-tuner.ts';

/** Activities of one job on its worker run one after the other; a few more let a session end while one is under way, and
 * attempts follow on forgotten ones. */
const WORKER_ACTIVITIES = 8;
/** Cancellation reaches an activity with its next heartbeat, so heartbeats may not be held back for long. Milliseconds. */
const HEARTBEAT_THROTTLE_MS = 1_000;
/** Of the grace after SIGTERM this is left for the process's own end, in milliseconds. */
const EXIT_MS = 3_000;

/** What the process is told from outside. */
interface Told {
  logger: Logger;
  /** SIGTERM: the job is handed over, and the worker ends within its grace. */
  signal: AbortSignal;
  /** SIGUSR2: the worker finishes its job, takes no other and ends. */
  drain: AbortSignal;
}

/**
 * Runs a GPU worker until `signal` is aborted, in the order of the seed's worker lifecycle: sign in, register with the
 * signaling server, read the room's manifest, then take jobs from the task queues.
 * @throws SleapRtcError SERVER_UNREACHABLE, ROOM_UNKNOWN, TOKEN_REFUSED, PEER_ID_TAKEN where it can't start
 */
export async function startGpuWorker(config: GpuWorkerConfig, told: Told): Promise<void> {
  const ends: (() => unknown)[] = [];
  try {
    await runUntilAborted(config, told, (end) => ends.push(end));
  } finally {
    for (const end of ends.reverse()) {
      try {
        await end();
      } catch (err) {
        // Such as the connection of a worker that has failed: what it failed with is what counts.
        told.logger.warn({ event: 'not_ended', err });
      }
    }
  }
}

/** @param onEnd takes what has to be ended, in the order of its making */
async function runUntilAborted(
  config: GpuWorkerConfig,
  { logger, signal: sigterm, drain: sigusr2 }: Told,
  onEnd: (end: () => unknown) => void,
): Promise<void> {
  const { room, name, workDir, tags, bucket, python } = config;
  await mkdir(join(workDir, 'jobs'), { recursive: true });
  const drained = new AbortController();
  const signal = AbortSignal.any([sigterm, drained.signal]);
  const datasets = await DatasetStore.open({ workDir, maxBytes: config.datasetCacheBytes });
  const slot = new GpuSlot();
  const capabilities = await detectCapabilities();
  const cachedModels = () => modelsInCache(join(workDir, 'models'));
  const offer = { name, gpuMemoryMb: capabilities.gpuMemoryMb, tags };
  const self = { slot, offer, gpuModel: capabilities.gpuModel, cachedModels, heldData: () => datasets.largestFiles() };
  const drain = new Drain({ slot, onDone: () => drained.abort(), logger });
  onEnd(() => drain[Symbol.dispose]());
  sigusr2.addEventListener('abort', () => drain.start(true), { once: true });

  const signaling = await SignalingClient.connect({
    serverUrl: config.serverUrl,
    roomId: room,
    token: config.token,
    roomKey: config.roomKey,
    idToken: workerIdentity(config.serverUrl, signal),
    peerId: name,
    role: 'worker',
    metadata: await workerMetadata(self),
    iceTransportPolicy: config.iceTransportPolicy,
    webRtc: config.webRtc,
    signal,
    logger,
  });
  onEnd(() => signaling.close());
  // Not before: a second process of a worker that lives is refused here, and must not end the first one's job.
  await endLeftovers(workDir, logger);
  const presence = new Presence({ ...self, signaling, drain, logger });
  onEnd(() => presence[Symbol.dispose]());
  const s3 = createS3Client({ pathStyle: config.s3PathStyle });
  onEnd(() => s3.destroy());
  const manifest = new ManifestWatch({ s3, bucket, room, logger });
  onEnd(() => manifest[Symbol.dispose]());
  await manifest.start(signal);

  const connection = await NativeConnection.connect({ address: config.temporal.address });
  onEnd(() => connection.close());
  const client = new Client({ connection, namespace: config.temporal.namespace });
  const warmTrainer = config.warmTrainer ? new WarmTrainer({ python, workDir, logger }) : undefined;
  onEnd(() => warmTrainer?.dispose());
  const worker = workerQueue(room, name, randomBytes(4).toString('hex'));
  const { publishProgress } = presence;
  const health = new WorkerHealth({
    slot,
    selfCheck: () => selfCheck({ workDir, python, capabilities }),
    logger,
  });
  onEnd(() => health[Symbol.dispose]());
  const running = new RunningActivities(health.noticed);
  const takeover = new OrphanTakeover();
  const leaving = new AbortController();
  const { endGpuSession, ...onSessionQueue } = createSessionActivities({
    slot,
    client,
    worker: offer,
    workerQueue: worker,
    leaving: leaving.signal,
    whenQuiet: (until) => running.whenQuiet(until),
    logger,
    async onSessionEnded(jobId) {
      await takeover.cancelOrphaned();
      await datasets.removeJob(join(workDir, 'jobs', jobId));
    },
  });
  const checkpoints = { s3, bucket, everyMs: config.checkpointEveryMs };
  const jobWork = {
    ...createTransferActivities({ signaling, s3, bucket, worker: name, workDir, datasets, publishProgress }),
    ...createDatasetActivities({ signaling, s3, bucket, worker: name, workDir, logger }),
    ...createSleapNnActivities({ workDir, python, warmTrainer, checkpoints, publishProgress, logger }),
    ...createModelActivities({ s3, bucket, workDir, worker: name, publishProgress, logger }),
  };

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
    activities: onSessionQueue,
    interceptors: activityInterceptors(),
  };
  const workers = await Promise.all([
    Worker.create({
      ...shared,
      taskQueue: worker,
      activities: { endGpuSession, ...jobWork },
      interceptors: jobInterceptors({
        takeover,
        running,
        explain: (error) => diskFullOrWithSizes(error, workDir),
      }),
      maxConcurrentActivityTaskExecutions: WORKER_ACTIVITIES,
    }),
    Worker.create({
      ...forSessions,
      taskQueue: workerSessionQueue(worker),
      maxConcurrentActivityTaskExecutions: WORKER_ACTIVITIES,
    }),
    ...sessionQueuesOf(room, offer).map((taskQueue) =>
      Worker.create({ ...forSessions, taskQueue, tuner: sessionTuner(slot) }),
    ),
  ]);
  // While a job trains the CPU belongs to it; the next one's process is warmed up when the GPU is free.
  const warmUp = () => slot.free && warmTrainer?.ensureSpare();
  onEnd(slot.onChange(warmUp));
  warmUp();
  logger.info({ event: 'ready', worker_queue: worker, ...capabilities });
  const onEnding = () => {
    slot.close('stopping', 'is being shut down');
    leaving.abort();
    void takeover.cancelOrphaned();
  };
  if (!(await runTogether(workers, { signal, onEnding }))) {
    logger.warn({ event: 'grace_over' }, 'not everything had stopped within the grace; the job is tried elsewhere');
  }
}
