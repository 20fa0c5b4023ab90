import { randomBytes } from 'node:crypto';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type {
  ControlTrainingInput,
  EndGpuSessionInput,
  GpuSessionOpened,
  RunGpuSessionInput,
  SessionActivities,
  WorkerActivities,
} from '../../activities/contract.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import { workerQueue } from '../../protocol/temporal/queues.ts';
import { sessionQueuesOf } from '../../protocol/temporal/session-queues.ts';
import { convertErrors } from '../../workers/interceptors/convert-errors.ts';
import { parseInput } from '../../workers/interceptors/parse-input.ts';
import { modelEntry, trainedModel } from './job-inputs.ts';

type Activities = WorkerActivities & SessionActivities;

export interface FakeWorkerOptions {
  room: string;
  name?: string;
  /** Sessions that it takes at once; a real worker has one GPU. */
  slots?: number;
  /** Activities that replace the fake ones. */
  overrides?: (worker: FakeWorker) => Partial<Activities>;
  /** Called when an activity begins, with how many of its name have begun before. */
  onCall?: (activity: string, earlier: number) => Promise<void> | void;
}

/** A GPU worker without GPU, signaling or files. Its queues are real, its activities are fake. */
export class FakeWorker {
  readonly name: string;
  /** Names of the activities that were begun here, in order; `controlTraining` as `stopTraining` or `pauseTraining`. */
  readonly calls: string[] = [];
  /** Arguments of the calls of `endGpuSession`. */
  readonly ended: EndGpuSessionInput[] = [];
  isResearcherOnline = true;
  /** Open sessions. */
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

  static async start(server: { address: string; client: Client }, options: FakeWorkerOptions): Promise<FakeWorker> {
    const { room, name = 'worker-1', slots = 1, overrides = () => ({}), onCall = () => {} } = options;
    const worker = new FakeWorker(name, slots, workerQueue(room, name, randomBytes(4).toString('hex')), server.client);
    const activities: Activities = { ...worker.#activities(), ...overrides(worker) };
    const recorded = Object.entries(activities).map(([activity, run]) => [
      activity,
      async (args: never) => {
        const call = nameOf(activity, args);
        const earlier = worker.calls.filter((other) => other === call).length;
        worker.calls.push(call);
        await onCall(call, earlier);
        return run(args);
      },
    ]);
    const { runGpuSession, ...onWorker } = Object.fromEntries(recorded) as typeof activities;
    // Two workers on one connection may not poll the same queue.
    const connection = await NativeConnection.connect({ address: server.address });
    const create = (taskQueue: string, some: object, maxConcurrentActivityTaskExecutions: number) =>
      Worker.create({
        connection,
        taskQueue,
        activities: some,
        // No heartbeats: an activity that hangs has to look like one of a dead worker.
        interceptors: { activity: [parseInput, convertErrors()].map((inbound) => () => ({ inbound })) },
        maxConcurrentActivityTaskExecutions,
        maxHeartbeatThrottleInterval: 100,
        shutdownForceTime: 500,
      });
    const queues = sessionQueuesOf(room, { name, gpuMemoryMb: 0, tags: [] });
    worker.#workers = [
      ...(await Promise.all(queues.map((queue) => create(queue, { runGpuSession }, slots)))),
      await create(worker.#ownQueue, onWorker, 4 * slots),
    ];
    worker.#running = Promise.allSettled(worker.#workers.map((worker) => worker.run())).then(() => connection.close());
    return worker;
  }

  /** Heartbeats until the activity is cancelled, as a long activity does. */
  work(): Promise<void> {
    return this.workUntil(new Promise(() => {}));
  }

  /** Heartbeats until `done` resolves or the activity is cancelled. */
  workUntil(done: Promise<void>): Promise<void> {
    return beatUntil(done);
  }

  /** Occupies a slot until the session is ended. */
  async occupySlot({ session_id, workflow_id, avoid, needs_researcher }: RunGpuSessionInput): Promise<void> {
    if (avoid?.some(({ worker, until_ms }) => worker === this.name && Date.now() < until_ms))
      throw new SleapRtcError('WORKER_UNFIT', 'It has just had trouble with this job.');
    if (needs_researcher === true && !this.isResearcherOnline)
      throw new SleapRtcError('RESEARCHER_AWAY', 'The computer that has the data is offline.');
    if (this.sessions.size >= this.#slots) throw new SleapRtcError('GPU_BUSY', 'The GPU is taken.');
    const session = Promise.withResolvers<void>();
    this.sessions.set(session_id, session);
    try {
      const opened: GpuSessionOpened = { session_id, worker: this.name, worker_queue: this.#ownQueue };
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
      runGpuSession: (args) => this.occupySlot(args),
      endGpuSession: async (args) => {
        this.ended.push(args);
        this.sessions.get(args.session_id)?.resolve();
      },
      receiveDataset: async () => {},
      stageDataset: async () => {},
      train: async ({ input, run_index }) => trainedModel(input, run_index),
      uploadModel: async ({ input, trained }) => modelEntry(input, trained, this.name),
      controlTraining: async () => {},
      returnResults: async () => ({ delivered: true }),
      ensureModels: async () => ({ fetched: [] }),
      predict: async () => ({ frames: 50, seconds: 1 }),
      uploadResults: async () => {},
      uploadLogs: async () => {},
    };
  }
}

function nameOf(activity: string, args: Partial<ControlTrainingInput>): string {
  return activity === 'controlTraining' ? `${args.action}Training` : activity;
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
