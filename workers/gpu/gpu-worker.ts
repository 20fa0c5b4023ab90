import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { wrapActivities } from '../../activities/failures.ts';
import { createModelActivities } from '../../activities/models/index.ts';
import { createSessionActivities } from '../../activities/session/index.ts';
import { createSleapNnActivities, WarmTrainer } from '../../activities/sleap-nn/index.ts';
import { createTransferActivities } from '../../activities/transfer/index.ts';
import { podQueue, roomSessionQueue, workerSessionQueue } from '../../protocol/queues.ts';
import { SignalingClient } from '../../transport/index.ts';
import { detectCapabilities } from './capabilities.ts';
import type { GpuWorkerConfig } from './config.ts';
import { GpuSlot } from './gpu-slot.ts';
import { workerIdentity } from './identity.ts';
import { ManifestWatch } from './manifest-watch.ts';
import { modelsInCache, Presence, workerMetadata } from './presence.ts';
import { sessionTuner } from './slot-supplier.ts';

/** Activities of one job on its pod run one after the other; a few more let a session end while one is under way. */
const POD_ACTIVITIES = 4;
/** The server answers a long poll within this time, so a worker that stops waits no longer for its pollers. */
const SHUTDOWN_FORCE_MS = 15_000;

/**
 * Runs a GPU worker until `signal` is aborted, in the order of the seed's worker lifecycle: sign in, register with the
 * signaling server, read the room's manifest, then take jobs from the task queues.
 * @throws SleapRtcError SERVER_UNREACHABLE, ROOM_UNKNOWN, TOKEN_REFUSED, PEER_ID_TAKEN where it can't start
 */
export async function startGpuWorker(
  config: GpuWorkerConfig,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  const { room, name, workDir, tags, bucket } = config;
  await mkdir(join(workDir, 'jobs'), { recursive: true });
  const slot = new GpuSlot();
  const capabilities = await detectCapabilities();
  const modelsDir = join(workDir, 'models');
  const cachedModels = () => modelsInCache(modelsDir);

  const idToken = workerIdentity(config.serverUrl, signal);
  const metadata = await workerMetadata({ slot, capabilities, tags, cachedModels });
  await using signaling = await SignalingClient.connect({
    serverUrl: config.serverUrl,
    roomId: room,
    token: config.token,
    idToken,
    peerId: name,
    role: 'worker',
    metadata,
    signal,
    logger,
  });
  using presence = new Presence({ signaling, slot, name, capabilities, tags, cachedModels, logger });
  const s3 = new S3Client({ forcePathStyle: config.s3PathStyle });
  using manifest = new ManifestWatch({ s3, bucket, room, logger });
  await manifest.start(signal);

  const connection = await NativeConnection.connect({ address: config.temporal.address });
  const client = new Client({ connection, namespace: config.temporal.namespace });
  const warmTrainer = config.warmTrainer ? new WarmTrainer({ python: config.python, logger }) : undefined;
  const pod = podQueue(room, name, randomBytes(4).toString('hex'));
  const { publishProgress } = presence;
  const session = createSessionActivities({
    slot,
    client,
    worker: name,
    podQueue: pod,
    onSessionEnded: (jobId) => rm(join(workDir, 'jobs', jobId), { recursive: true, force: true }),
  });
  const { endGpuSession, ...onSessionQueue } = wrapActivities(session);
  const onPodQueue = wrapActivities({
    endGpuSession,
    ...createTransferActivities({ signaling, worker: name, workDir, publishProgress }),
    ...createSleapNnActivities({ workDir, python: config.python, warmTrainer, publishProgress, logger }),
    ...createModelActivities({ s3, bucket, workDir, worker: name, publishProgress, logger }),
  });

  const shared = { connection, namespace: config.temporal.namespace, shutdownForceTime: SHUTDOWN_FORCE_MS };
  const sessionQueues = [roomSessionQueue(room), workerSessionQueue(room, name)];
  const workers = await Promise.all([
    Worker.create({
      ...shared,
      taskQueue: pod,
      activities: onPodQueue,
      maxConcurrentActivityTaskExecutions: POD_ACTIVITIES,
    }),
    ...sessionQueues.map((taskQueue) =>
      Worker.create({ ...shared, taskQueue, activities: onSessionQueue, tuner: sessionTuner(slot) }),
    ),
  ]);
  try {
    const running = Promise.all(workers.map((worker) => worker.run()));
    warmTrainer?.ensureSpare();
    logger.info({ event: 'ready', pod_queue: pod, ...capabilities });
    await Promise.race([running, aborted(signal)]);
    slot.drain();
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
  } finally {
    await warmTrainer?.dispose();
    await connection.close();
    s3.destroy();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
