import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import type { ControlActivities } from '../../activities/contract.ts';
import { mergeChanges } from '../../activities/registry/merge-changes.ts';
import { createRequestManifestChanges } from '../../activities/registry/request-changes.ts';
import { emptyManifest, type Manifest } from '../../protocol/models/manifest.ts';
import { CONTROL_QUEUE } from '../../protocol/temporal/queues.ts';
import { activityInterceptors } from '../../workers/interceptors/index.ts';
import { workflowBundle } from './servers.ts';

/** The control worker with the real workflows, and manifests in memory instead of S3. */
export interface FakeControl {
  /** A room's manifest as it was written last. */
  manifest(room: string): Manifest;
  /** How many changes each write had, in order. */
  readonly writes: number[];
  /** Jobs whose storage was cleared, by id. */
  readonly cleared: string[];
  stop(): Promise<void>;
}

/** Starts the control worker. `overrides` gets its activities and returns those that replace them. */
export async function startFakeControl(
  env: TestWorkflowEnvironment,
  {
    overrides = () => ({}),
    bundle = workflowBundle(),
  }: {
    overrides?: (activities: ControlActivities) => Partial<ControlActivities>;
    bundle?: Promise<WorkflowBundle>;
  } = {},
): Promise<FakeControl> {
  const manifests = new Map<string, Manifest>();
  const manifest = (room: string) => manifests.get(room) ?? emptyManifest(room, new Date());
  const writes: number[] = [];
  const cleared: string[] = [];
  const activities: ControlActivities = {
    requestManifestChanges: createRequestManifestChanges({ temporal: env.client }),
    applyManifestChanges: async ({ room_id, changes }) => {
      const merged = mergeChanges(manifest(room_id), changes, new Date());
      manifests.set(room_id, merged.manifest);
      writes.push(changes.length);
      return merged.outcomes;
    },
    clearJobStorage: async ({ job_id }) => void cleared.push(job_id),
  };
  const worker = await Worker.create({
    connection: env.nativeConnection,
    namespace: env.namespace ?? 'default',
    taskQueue: CONTROL_QUEUE,
    workflowBundle: await bundle,
    activities: { ...activities, ...overrides(activities) },
    interceptors: activityInterceptors(),
  });
  const running = worker.run();
  return {
    manifest,
    writes,
    cleared,
    async stop() {
      worker.shutdown();
      await running;
    },
  };
}
