import { Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { PodActivities, SessionActivities } from '../../activities/contract.ts';
import { wrapActivities } from '../../activities/failures.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import { podQueue, roomSessionQueue } from '../../protocol/queues.ts';
import { modelEntry, trainedModel } from './job-inputs.ts';

/** Activities that a test gives in place of the fake ones; `pod` lets them kill the pod, or wait. */
type Overrides = (pod: FakePod) => Partial<PodActivities & SessionActivities>;

export interface FakePodOptions {
  room?: string;
  name?: string;
  overrides?: Overrides;
}

/** A GPU worker without GPU, signaling or files: both of its queues are real, what it does is not. */
export class FakePod {
  readonly name: string;
  /** Names of the activities that were begun here, in order. */
  readonly calls: string[] = [];
  /** Sessions held now. */
  readonly sessions = new Map<string, PromiseWithResolvers<void>>();
  #died = Promise.withResolvers<never>();
  #dead = false;
  #workers: Worker[] = [];
  #running: Promise<unknown> | undefined;

  private constructor(name: string) {
    this.name = name;
    this.#died.promise.catch(() => {});
  }

  static async start(
    env: TestWorkflowEnvironment,
    { room = 'lab-mice', name = 'worker-1', overrides = () => ({}) }: FakePodOptions = {},
  ): Promise<FakePod> {
    const pod = new FakePod(name);
    const ownQueue = podQueue(room, name, Math.random().toString(36).slice(2));
    const activities = { ...pod.#activities(env, ownQueue), ...overrides(pod) };
    const recorded = Object.entries(activities).map(([activity, run]) => [
      activity,
      async (args: never) => {
        pod.calls.push(activity);
        return run(args);
      },
    ]);
    const { holdGpuSession, ...onPod } = wrapActivities(Object.fromEntries(recorded) as typeof activities);
    const create = (taskQueue: string, some: object, maxConcurrentActivityTaskExecutions: number) =>
      Worker.create({
        connection: env.nativeConnection,
        namespace: env.namespace ?? 'default',
        taskQueue,
        activities: some,
        maxConcurrentActivityTaskExecutions,
        maxHeartbeatThrottleInterval: 100,
        shutdownForceTime: 500,
      });
    pod.#workers = [await create(roomSessionQueue(room), { holdGpuSession }, 1), await create(ownQueue, onPod, 4)];
    pod.#running = Promise.allSettled(pod.#workers.map((worker) => worker.run()));
    return pod;
  }

  /** From now on nothing here beats or ends, as when the process was killed. */
  die(): void {
    this.#dead = true;
  }

  /** Waits until cancelled, as a long activity does. */
  async work(ms = Number.POSITIVE_INFINITY): Promise<void> {
    const context = Context.current();
    const beat = setInterval(() => this.#dead || context.heartbeat(), 50);
    try {
      const done = Promise.withResolvers<void>();
      if (Number.isFinite(ms)) setTimeout(done.resolve, ms);
      const cancelled = context.cancelled.catch((error: unknown) =>
        this.#dead ? this.#died.promise : Promise.reject(error),
      );
      await Promise.race([done.promise, cancelled, this.#died.promise]);
    } finally {
      clearInterval(beat);
    }
  }

  async stop(): Promise<void> {
    this.#died.reject(new Error('the test is over'));
    for (const session of this.sessions.values()) session.reject(new Error('the test is over'));
    for (const worker of this.#workers) worker.shutdown();
    await this.#running;
  }

  #activities(env: TestWorkflowEnvironment, pod_queue: string): PodActivities & SessionActivities {
    return {
      holdGpuSession: async ({ session_id, workflow_id }) => {
        if (this.sessions.size > 0) throw new SleapRtcError('GPU_BUSY', 'The GPU is taken.');
        const context = Context.current();
        const session = Promise.withResolvers<void>();
        session.promise.catch(() => {});
        this.sessions.set(session_id, session);
        const beat = setInterval(() => this.#dead || context.heartbeat(), 50);
        try {
          await env.client.workflow
            .getHandle(workflow_id)
            .signal('gpuSessionOpened', { session_id, worker: this.name, pod_queue });
          await Promise.race([
            session.promise,
            context.cancelled.catch((error) => (this.#dead ? this.#died.promise : Promise.reject(error))),
          ]);
        } finally {
          clearInterval(beat);
          this.sessions.delete(session_id);
        }
      },
      endGpuSession: async ({ session_id }) => this.sessions.get(session_id)?.resolve(),
      receiveDataset: async () => {},
      train: async ({ input, run_index }) => trainedModel(input, run_index),
      uploadModel: async ({ input, trained }) => modelEntry(input, trained, this.name),
      returnResults: async () => ({ delivered: true }),
      announceJobComplete: async () => {},
      ensureModels: async () => {},
      predict: async () => ({ frames: 50, seconds: 1 }),
      keepResults: async () => {},
    };
  }
}
