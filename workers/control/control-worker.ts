import { Client } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import pRetry from 'p-retry';
import type { Logger } from 'pino';
import { createClearJobStorage } from '../../activities/cleanup/index.ts';
import { createRegistryActivities } from '../../activities/registry/index.ts';
import { CONTROL_QUEUE } from '../../protocol/temporal/queues.ts';
import { Bucket, createS3Client } from '../../storage/index.ts';
import { activityInterceptors } from '../interceptors/index.ts';
import { runTogether } from '../run-together.ts';
import type { ControlWorkerConfig } from './config.ts';
import { type Deployment, promoteOnce } from './deployment.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { sweepRegularly } from './storage-sweep.ts';
import { bundleWorkflows, VERSIONED_WORKFLOWS } from './workflow-bundle.ts';

/** A write of the manifest that is in progress at shutdown may finish; it takes well under a second. */
const SHUTDOWN_GRACE_MS = 5_000;
const SHUTDOWN_FORCE_MS = 15_000;
/** Longest time between two attempts to reach Temporal at start, in milliseconds. */
const RECONNECT_MS = 5_000;

/**
 * Runs the workflows of all rooms, and the activities that need S3 but no GPU, until `signal` is aborted. Logs
 * `event: "ready"` when it takes work. Several may run side by side.
 */
export async function runControlWorker(
  config: ControlWorkerConfig,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  const { temporal, deployment } = config;
  const [workflowBundle, connection] = await Promise.all([
    bundleWorkflows(deployment && VERSIONED_WORKFLOWS),
    connect(config, logger, signal),
  ]);
  const s3 = createS3Client({ pathStyle: config.s3PathStyle });
  const bucket = new Bucket(s3, config.bucket, { denied: 'STORAGE_UNREACHABLE' });
  const over = new AbortController();
  try {
    await ensureSearchAttributes(connection, temporal.namespace, logger);
    const client = new Client({ connection, namespace: temporal.namespace });
    const worker = await Worker.create({
      connection,
      namespace: temporal.namespace,
      taskQueue: CONTROL_QUEUE,
      workflowBundle,
      activities: {
        ...createRegistryActivities({ bucket, temporal: client, logger }),
        clearJobStorage: createClearJobStorage({ bucket }),
      },
      interceptors: activityInterceptors(),
      ...(deployment && versioned(deployment)),
      shutdownGraceTime: SHUTDOWN_GRACE_MS,
      shutdownForceTime: SHUTDOWN_FORCE_MS,
    });
    const running = runTogether([worker], { signal });
    if (deployment !== undefined) {
      const current = await Promise.race([promoteOnce(connection, temporal.namespace, deployment, signal), running]);
      logger.info({ event: 'version', build_id: deployment.buildId, current });
    }
    logger.info({ event: 'ready', task_queue: CONTROL_QUEUE });
    // The end does not wait for it: storage that does not answer must not keep the process alive.
    void sweepRegularly({ bucket, temporal: client, logger }, AbortSignal.any([signal, over.signal]));
    await running;
  } finally {
    over.abort();
    s3.destroy();
    // A worker that has failed still uses it; the error of the worker is what counts.
    await connection.close().catch((err: unknown) => logger.warn({ event: 'not_closed', err }));
  }
}

/** Jobs stay with the version that they started on. Workflows that never end choose otherwise themselves. */
function versioned({ name, buildId }: Deployment): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  const version = { deploymentName: name, buildId };
  return {
    workerDeploymentOptions: { version, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' },
  };
}

/** Waits for a Temporal server that is not up yet. @throws the signal's reason if it is aborted */
function connect({ temporal }: ControlWorkerConfig, logger: Logger, signal: AbortSignal): Promise<NativeConnection> {
  return pRetry(() => NativeConnection.connect({ address: temporal.address }), {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 250,
    maxTimeout: RECONNECT_MS,
    signal,
    onFailedAttempt: () => logger.warn({ event: 'temporal_unreachable', address: temporal.address }),
  });
}
