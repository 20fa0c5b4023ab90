import assert from 'node:assert/strict';
import { asyncLocalStorage, Context } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import type { JobActivityInput, RunGpuSessionInput, TrainInput, WorkerActivities } from '../../activities/contract.ts';
import { withHeartbeats } from '../../activities/heartbeats.ts';
import type { TrainedModel } from '../../activities/runs/trained-model.ts';
import { createSessionActivities } from '../../activities/session/index.ts';
import { wrapActivities } from '../../activities/wrap-activities.ts';
import type { TrainingSpec } from '../../protocol/job.ts';
import { workerQueue, workerSessionQueue } from '../../protocol/queues.ts';
import { sessionQueuesOf } from '../../protocol/session-queues.ts';
import { modelEntry, trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { trainingJobsOnDevServer } from '../../test/workflows/training-jobs.ts';
import { GpuSlot } from './gpu-slot.ts';

const NAME = 'worker-1';

/**
 * A worker with the real session and fake work. The heartbeats of its hold do not get through, and that it is asked to hold on it
 * hears only when the job has ended the session: after Temporal was away, polls are up to 10 s late.
 * @param slot the GPU; `later` is the one that is there when it hears: another one where that is another worker
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
      leaving: new AbortController().signal,
      whenQuiet: async () => {},
      onSessionEnded: async () => {},
      logger: pino({ level: 'silent' }),
    });
  const session = sessionOn(slot);
  const work = {
    receiveDataset: async () => {},
    stageDataset: async () => {},
    train: async ({ input, run_index }: TrainInput) => trainedModel(input, run_index),
    uploadModel: async ({ input, trained }: JobActivityInput<TrainingSpec> & { trained: TrainedModel }) =>
      modelEntry(input, trained, NAME),
    returnResults: () => withHeartbeats(() => askedAgain.promise.then(() => ({ delivered: true }))),
    async endGpuSession(args) {
      await session.endGpuSession(args);
      ended.resolve();
    },
  } satisfies Partial<WorkerActivities>;
  const asked = (args: RunGpuSessionInput) => unheard(() => session.runGpuSession(args));
  const heardLate = async (args: RunGpuSessionInput) => {
    askedAgain.resolve();
    await ended.promise;
    await sessionOn(later).runGpuSession(args);
  };
  const poll = (taskQueue: string, activities: object) =>
    Worker.create({
      connection,
      taskQueue,
      activities: wrapActivities(activities),
      maxHeartbeatThrottleInterval: 1_000,
    });
  const workers = await Promise.all([
    poll(queue, work),
    poll(workerSessionQueue(queue), { runGpuSession: heardLate }),
    ...sessionQueuesOf(room, offer).map((taskQueue) => poll(taskQueue, { runGpuSession: asked })),
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

/** Runs an activity whose heartbeats do not get through. */
function unheard<T>(run: () => Promise<T>): Promise<T> {
  const { info, cancelled, cancellationSignal, log, metricMeter } = Context.current();
  const silent = new Context(info, cancelled, cancellationSignal, () => {}, undefined, log, metricMeter, {});
  return asyncLocalStorage.run(silent, run);
}

describe('a session that is taken again only after its end', function () {
  this.timeout(60_000);
  const { server, start } = trainingJobsOnDevServer();

  it('is not held for ever by its worker', async () => {
    const slot = new GpuSlot();
    const worker = await startWorker('late', server().env.address, { slot, later: slot });
    const job = await start(trainingInput({ room: 'late' }));
    assert.equal((await job.result()).phase, 'done');
    await slot.whenEmpty(AbortSignal.timeout(10_000));
    await worker.stop();
  });

  it('nor by another worker, which cannot know of the end', async () => {
    const later = new GpuSlot();
    const worker = await startWorker('late-elsewhere', server().env.address, { slot: new GpuSlot(), later });
    const job = await start(trainingInput({ room: 'late-elsewhere' }));
    assert.equal((await job.result()).phase, 'done');
    await later.whenEmpty(AbortSignal.timeout(10_000));
    await worker.stop();
  });
});
