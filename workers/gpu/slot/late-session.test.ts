import assert from 'node:assert/strict';
import { asyncLocalStorage, Context } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import { type ActivityInboundCallsInterceptor, NativeConnection, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import type { TrainInput, UploadModelInput, WorkerActivities } from '../../../activities/contract.ts';
import { createSessionActivities } from '../../../activities/session/index.ts';
import { workerQueue, workerSessionQueue } from '../../../protocol/temporal/queues.ts';
import { sessionQueuesOf } from '../../../protocol/temporal/session-queues.ts';
import { modelEntry, trainedModel, trainingInput } from '../../../test/workflows/job-inputs.ts';
import { trainingJobsOnDevServer } from '../../../test/workflows/training-jobs.ts';
import { activityInterceptors } from '../../interceptors/index.ts';
import { GpuSlot } from './gpu-slot.ts';

const NAME = 'worker-1';

/**
 * A worker with the real session and fake work. The heartbeats of its session are lost, and the request to continue the session
 * arrives only when the job has ended it: after Temporal was unavailable, polls are up to 10 s late.
 * @param slot the GPU; `later` is the one that gets the late request: another slot if that is another worker
 */
async function startWorker(room: string, address: string, { slot, later }: { slot: GpuSlot; later: GpuSlot }) {
  const connection = await NativeConnection.connect({ address });
  const queue = workerQueue(room, NAME, 'boot');
  const offer = { name: NAME, gpuMemoryMb: 0, tags: [] };
  const askedAgain = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const sessionOn = (gpu: GpuSlot) =>
    createSessionActivities({
      slot: gpu,
      client: new Client({ connection }),
      worker: offer,
      workerQueue: queue,
      shutdown: new AbortController().signal,
      whenQuiet: async () => {},
      isResearcherOnline: async () => true,
      onSessionEnded: async () => {},
      logger: pino({ level: 'silent' }),
    });
  const session = sessionOn(slot);
  const work = {
    receiveDataset: async () => {},
    stageDataset: async () => {},
    train: async ({ input, run_index }: TrainInput) => trainedModel(input, run_index),
    uploadModel: async ({ input, trained }: UploadModelInput) => modelEntry(input, trained, NAME),
    returnResults: () => askedAgain.promise.then(() => ({ delivered: true })),
    async endGpuSession(args) {
      await session.endGpuSession(args);
      ended.resolve();
    },
  } satisfies Partial<WorkerActivities>;
  const requestedLate: ActivityInboundCallsInterceptor = {
    async execute(input, next) {
      askedAgain.resolve();
      await ended.promise;
      return next(input);
    },
  };
  const poll = (taskQueue: string, activities: object, before: ActivityInboundCallsInterceptor[] = []) =>
    Worker.create({
      connection,
      taskQueue,
      activities,
      interceptors: {
        activity: [...before.map((inbound) => () => ({ inbound })), ...(activityInterceptors().activity ?? [])],
      },
      maxHeartbeatThrottleInterval: 1_000,
    });
  const workers = await Promise.all([
    poll(queue, work),
    poll(workerSessionQueue(queue), { runGpuSession: sessionOn(later).runGpuSession }, [requestedLate]),
    ...sessionQueuesOf(room, offer).map((taskQueue) =>
      poll(taskQueue, { runGpuSession: session.runGpuSession }, [heartbeatsLost]),
    ),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));
  return {
    async stop() {
      for (const worker of workers) worker.shutdown();
      await running;
      await connection.close();
    },
  };
}

/** Runs an activity whose heartbeats are lost. */
const heartbeatsLost: ActivityInboundCallsInterceptor = {
  execute(input, next) {
    const { info, cancelled, cancellationSignal, log, metricMeter } = Context.current();
    const silent = new Context(info, cancelled, cancellationSignal, () => {}, undefined, log, metricMeter, {});
    return asyncLocalStorage.run(silent, () => next(input));
  },
};

describe('a session whose retry begins only after its end', function () {
  this.timeout(60_000);
  const { server, start } = trainingJobsOnDevServer();

  it('does not occupy its worker forever', async () => {
    const slot = new GpuSlot();
    const worker = await startWorker('late', server().env.address, { slot, later: slot });
    const job = await start(trainingInput({ room: 'late' }));
    assert.equal((await job.result()).phase, 'done');
    await slot.whenEmpty(AbortSignal.timeout(10_000));
    await worker.stop();
  });

  it('does not occupy another worker forever, which cannot know of the end', async () => {
    const later = new GpuSlot();
    const worker = await startWorker('late-elsewhere', server().env.address, { slot: new GpuSlot(), later });
    const job = await start(trainingInput({ room: 'late-elsewhere' }));
    assert.equal((await job.result()).phase, 'done');
    await later.whenEmpty(AbortSignal.timeout(10_000));
    await worker.stop();
  });
});
