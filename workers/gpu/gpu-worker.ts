import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createDatasetActivities } from '../../activities/datasets/index.ts';
import { createModelActivities } from '../../activities/models/index.ts';
import { jobFolders, jobsFolder } from '../../activities/runs/job-folders.ts';
import { removeLeftJobs } from '../../activities/runs/left-jobs.ts';
import { openSandbox, type Sandbox } from '../../activities/sandbox/index.ts';
import { createSessionActivities } from '../../activities/session/index.ts';
import { createSleapNnActivities, WarmTrainer } from '../../activities/sleap-nn/index.ts';
import { createTransferActivities, DatasetStore, isResearcherOnline } from '../../activities/transfer/index.ts';
import { workerQueue } from '../../protocol/temporal/queues.ts';
import { Bucket, createS3Client } from '../../storage/index.ts';
import { Cleanup } from '../cleanup.ts';
import { OrphanTakeover, RunningActivities } from '../interceptors/index.ts';
import { runTogether } from '../run-together.ts';
import type { GpuWorkerConfig } from './config.ts';
import { detectCapabilities } from './health/capabilities.ts';
import { endLeftovers } from './health/leftovers.ts';
import { selfCheck } from './health/self-check.ts';
import { WorkerHealth } from './health/worker-health.ts';
import { joinRoom } from './room/join-room.ts';
import { Drain } from './slot/drain.ts';
import { GpuSlot } from './slot/gpu-slot.ts';
import { createTemporalWorkers } from './temporal-workers.ts';

interface GpuWorkerOptions {
  logger: Logger;
  /** SIGTERM: the job is handed over, and the worker ends within its grace. */
  signal: AbortSignal;
  /** SIGUSR2: the worker finishes its job, takes no other and ends. */
  drain: AbortSignal;
}

/**
 * Runs a GPU worker until `signal` is aborted, in the order of the seed's worker lifecycle: sign in, register with the
 * signaling server, read the room's manifest, then take jobs from the task queues.
 * @throws SleapRtcError SERVER_UNREACHABLE, ROOM_EXPIRED, TOKEN_REFUSED, PEER_ID_TAKEN if it cannot start, or if the
 *   room refuses it later; then it has finished its job
 */
export async function startGpuWorker(config: GpuWorkerConfig, options: GpuWorkerOptions): Promise<void> {
  const cleanup = new Cleanup(options.logger);
  try {
    await run(config, options, cleanup);
  } finally {
    await cleanup.run();
  }
}

async function run(config: GpuWorkerConfig, options: GpuWorkerOptions, cleanup: Cleanup): Promise<void> {
  const { room: roomId, name, workDir, tags } = config;
  const { logger } = options;
  await mkdir(jobsFolder(workDir), { recursive: true });
  const slot = new GpuSlot();
  const { drain, signal } = createDrain(slot, options, cleanup);
  const capabilities = await detectCapabilities();
  const { gpuMemoryMb, gpuModel } = capabilities;
  const hasGpu = gpuMemoryMb > 0;
  const { sandbox, state, canWait } = await openSandbox({ ...config, mode: config.sandbox, hasGpu, logger });
  const offer = { name, gpuMemoryMb, tags };
  const datasets = await DatasetStore.open({ workDir, maxBytes: config.datasetCacheBytes });
  const s3 = createS3Client({ pathStyle: config.s3PathStyle });
  cleanup.add(() => s3.destroy());
  const bucket = new Bucket(s3, config.bucket);
  const onAccepted = () => endLeftovers(workDir, logger);
  const room = await joinRoom(
    { config, slot, drain, offer, gpuModel, sandbox: state, datasets, bucket, onAccepted, logger, signal },
    cleanup,
  );

  const connection = await NativeConnection.connect({ address: config.temporal.address });
  cleanup.add(() => connection.close());
  const warmTrainer = config.warmTrainer && canWait ? new WarmTrainer({ sandbox, workDir, logger }) : undefined;
  cleanup.add(() => warmTrainer?.close());
  const health = new WorkerHealth({ slot, selfCheck: () => selfCheck({ workDir, sandbox, capabilities }), logger });
  cleanup.add(() => health.close());
  const running = new RunningActivities(health.onEnded);
  const takeover = new OrphanTakeover();
  const shutdown = new AbortController();
  const queue = workerQueue(roomId, name, randomBytes(4).toString('hex'));
  const workers = await createTemporalWorkers({
    ...{ config, connection, queue, offer, slot, takeover, running },
    jobActivities: createJobActivities({ config, room, bucket, datasets, sandbox, warmTrainer, logger }),
    sessionActivities: createSessionActivities({
      slot,
      client: new Client({ connection, namespace: config.temporal.namespace }),
      worker: offer,
      workerQueue: queue,
      shutdown: shutdown.signal,
      whenQuiet: (until) => running.whenQuiet(until),
      logger,
      isResearcherOnline: (jobId, signal) => isResearcherOnline(room.signaling, jobId, signal),
      async onSessionEnded(jobId, { keepFiles }) {
        await takeover.cancelOrphaned();
        if (!keepFiles) await datasets.removeJob(jobFolders(workDir, jobId).root);
        await removeLeftJobs(jobsFolder(workDir), { except: jobId });
      },
    }),
  });
  keepWarm(slot, warmTrainer, cleanup);
  logger.info({ event: 'ready', worker_queue: queue, ...capabilities });
  const onEnding = () => {
    slot.close('stopping', 'is being shut down');
    shutdown.abort();
    void takeover.cancelOrphaned();
  };
  if (!(await runTogether(workers, { signal, onEnding }))) {
    logger.warn({ event: 'grace_over' }, 'not everything had stopped within the grace; the job is tried elsewhere');
  }
  if (room.refusal.error !== undefined && !options.signal.aborted) throw room.refusal.error;
}

/** @returns the signal that ends the worker, whether by SIGTERM or because it is drained */
function createDrain(slot: GpuSlot, { logger, signal, drain: sigusr2 }: GpuWorkerOptions, cleanup: Cleanup) {
  const drained = new AbortController();
  const drain = new Drain({ slot, onDone: () => drained.abort(), logger });
  cleanup.add(() => drain.close());
  sigusr2.addEventListener('abort', () => drain.start(true), { once: true });
  return { drain, signal: AbortSignal.any([signal, drained.signal]) };
}

interface JobActivitiesOptions {
  config: GpuWorkerConfig;
  room: Awaited<ReturnType<typeof joinRoom>>;
  bucket: Bucket;
  datasets: DatasetStore;
  sandbox: Sandbox;
  warmTrainer: WarmTrainer | undefined;
  logger: Logger;
}

/** The activities of a job that has this worker's session. */
function createJobActivities({ config, room, bucket, datasets, sandbox, warmTrainer, logger }: JobActivitiesOptions) {
  const { name: worker, workDir, checkpointEveryMs, modelCacheBytes } = config;
  const { signaling, manifest } = room;
  const { publishProgress } = room.progress;
  const findModel = (reference: string, signal: AbortSignal) => manifest.find(reference, signal);
  return {
    ...createTransferActivities({ signaling, bucket, worker, workDir, datasets, publishProgress }),
    ...createDatasetActivities({ bucket, workDir, publishProgress, logger }),
    ...createSleapNnActivities({ workDir, sandbox, warmTrainer, bucket, checkpointEveryMs, publishProgress, logger }),
    ...createModelActivities({ bucket, workDir, modelCacheBytes, worker, findModel, publishProgress, logger }),
  };
}

/** Warms a process up whenever the GPU is free: while a job trains, the CPU belongs to it. */
function keepWarm(slot: GpuSlot, warmTrainer: WarmTrainer | undefined, cleanup: Cleanup): void {
  const warmUp = () => slot.free && warmTrainer?.ensureSpare();
  cleanup.add(slot.onChange(warmUp));
  warmUp();
}
