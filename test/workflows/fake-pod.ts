import { randomBytes } from 'node:crypto';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type {
  GpuSessionOpened,
  HoldGpuSessionInput,
  PodActivities,
  SessionActivities,
} from '../../activities/contract.ts';
import { wrapActivities } from '../../activities/wrap-activities.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import { podQueue } from '../../protocol/queues.ts';
import { sessionQueuesOf } from '../../protocol/session-queues.ts';
import { modelEntry, trainedModel } from './job-inputs.ts';

type Activities = PodActivities & SessionActivities;

export interface FakePodOptions {
  room: string;
  name?: string;
  /** Sessions that it takes at once; a real pod has one GPU. */
  slots?: number;
  /** Activities to put in place of the fake ones. */
  overrides?: (pod: FakePod) => Partial<Activities>;
  /** Called when an activity begins, with how many of its name have begun before. */
  onCall?: (activity: string, earlier: number) => Promise<void> | void;
}

/** A GPU worker without GPU, signaling or files: its queues are real, what it does is not. */
export class FakePod {
  readonly name: string;
  /** Names of the activities that were begun here, in order. */
  readonly calls: string[] = [];
  /** Sessions held now. */
  readonly sessions = new Map<string, PromiseWithResolvers<void>>();
  readonly #slots: number;
  readonly #ownQueue: string;
  readonly #client: Client;
  #workers: Worker[] = [];
  #running: Promise<unknown> | undefined;

  private constructor(name: string, slots: number, ownQueue: string, client: Client) {
    this.name = name;
    this.#slots = slots;
    this.#ownQueue = ownQueue;
    this.#client = client;
  }

  static async start(server: { address: string; client: Client }, options: FakePodOptions): Promise<FakePod> {
    const { room, name = 'worker-1', slots = 1, overrides = () => ({}), onCall = () => {} } = options;
    const pod = new FakePod(name, slots, podQueue(room, name, randomBytes(4).toString('hex')), server.client);
    const activities: Activities = { ...pod.#activities(), ...overrides(pod) };
    const recorded = Object.entries(activities).map(([activity, run]) => [
      activity,
      async (args: never) => {
        const earlier = pod.calls.filter((call) => call === activity).length;
        pod.calls.push(activity);
        await onCall(activity, earlier);
        return run(args);
      },
    ]);
    const { holdGpuSession, ...onPod } = wrapActivities(Object.fromEntries(recorded) as typeof activities);
    // Two workers on one connection may not poll the same queue.
    const connection = await NativeConnection.connect({ address: server.address });
    const create = (taskQueue: string, some: object, maxConcurrentActivityTaskExecutions: number) =>
      Worker.create({
        connection,
        taskQueue,
        activities: some,
        maxConcurrentActivityTaskExecutions,
        maxHeartbeatThrottleInterval: 100,
        shutdownForceTime: 500,
      });
    const queues = sessionQueuesOf(room, { name, gpuMemoryMb: 0, tags: [] });
    pod.#workers = [
      ...(await Promise.all(queues.map((queue) => create(queue, { holdGpuSession }, slots)))),
      await create(pod.#ownQueue, onPod, 4 * slots),
    ];
    pod.#running = Promise.allSettled(pod.#workers.map((worker) => worker.run())).then(() => connection.close());
    return pod;
  }

  /** Heartbeats until cancelled, as a long activity does. */
  work(): Promise<void> {
    return this.workUntil(new Promise(() => {}));
  }

  /** Heartbeats until `done`, or cancelled. */
  workUntil(done: Promise<void>): Promise<void> {
    return beatUntil(done);
  }

  /** Holds the one slot until the session is ended. */
  async hold({ session_id, workflow_id }: HoldGpuSessionInput): Promise<void> {
    if (this.sessions.size >= this.#slots) throw new SleapRtcError('GPU_BUSY', 'The GPU is taken.');
    const session = Promise.withResolvers<void>();
    this.sessions.set(session_id, session);
    try {
      const opened: GpuSessionOpened = { session_id, worker: this.name, pod_queue: this.#ownQueue };
      await this.#client.workflow.getHandle(workflow_id).signal('gpuSessionOpened', opened);
      await beatUntil(session.promise);
    } finally {
      this.sessions.delete(session_id);
    }
  }

  async stop(): Promise<void> {
    for (const worker of this.#workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await this.#running;
  }

  #activities(): Activities {
    return {
      holdGpuSession: (args) => this.hold(args),
      endGpuSession: async ({ session_id }) => this.sessions.get(session_id)?.resolve(),
      receiveDataset: async () => {},
      stageDataset: async () => {},
      train: async ({ input, run_index }) => trainedModel(input, run_index),
      uploadModel: async ({ input, trained }) => modelEntry(input, trained, this.name),
      stopTraining: async () => {},
      pauseTraining: async () => {},
      returnResults: async () => ({ delivered: true }),
      ensureModels: async () => ({ fetched: [] }),
      predict: async () => ({ frames: 50, seconds: 1 }),
      keepResults: async () => {},
      keepLogs: async () => {},
    };
  }
}

async function beatUntil(done: Promise<void>): Promise<void> {
  const context = Context.current();
  const sinceMs = performance.now();
  const beat = setInterval(() => context.heartbeat(Math.round(performance.now() - sinceMs)), 50);
  try {
    await Promise.race([done, context.cancelled]);
  } finally {
    clearInterval(beat);
  }
}
