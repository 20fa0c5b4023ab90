import assert from 'node:assert/strict';
import { asyncLocalStorage, Context } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import type { HoldGpuSessionInput, JobActivityInput, PodActivities, TrainInput } from '../../activities/contract.ts';
import { withHeartbeats } from '../../activities/heartbeats.ts';
import { createSessionActivities } from '../../activities/session/index.ts';
import type { TrainedModel } from '../../activities/sleap-nn/trained-model.ts';
import { wrapActivities } from '../../activities/wrap-activities.ts';
import type { TrainingSpec } from '../../protocol/job.ts';
import { podQueue, podSessionQueue } from '../../protocol/queues.ts';
import { sessionQueuesOf } from '../../protocol/session-queues.ts';
import { modelEntry, trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { trainingJobsOnDevServer } from '../../test/workflows/training-jobs.ts';
import { GpuSlot } from './gpu-slot.ts';

const ROOM = 'late-hold';
const NAME = 'pod-1';

/** A pod with the real session and fake work, whose polls can be late, as they are after Temporal was away. */
async function startPod(address: string) {
  const slot = new GpuSlot();
  const connection = await NativeConnection.connect({ address });
  const queue = podQueue(ROOM, NAME, 'boot');
  const offer = { name: NAME, gpuMemoryMb: 0, tags: [] };
  const askedAgain = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const session = createSessionActivities({
    slot,
    client: new Client({ connection }),
    worker: offer,
    podQueue: queue,
    leaving: new AbortController().signal,
    whenQuiet: async () => {},
    onSessionEnded: async () => {},
    logger: pino({ level: 'silent' }),
  });
  const workers = await Promise.all([
    Worker.create({
      connection,
      taskQueue: queue,
      activities: wrapActivities({
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
      } satisfies Partial<PodActivities>),
    }),
    Worker.create({
      connection,
      taskQueue: podSessionQueue(queue),
      activities: wrapActivities({
        async holdGpuSession(args: HoldGpuSessionInput) {
          askedAgain.resolve();
          await ended.promise;
          await session.holdGpuSession(args);
        },
      }),
    }),
    ...sessionQueuesOf(ROOM, offer).map((taskQueue) =>
      Worker.create({
        connection,
        taskQueue,
        activities: wrapActivities({
          holdGpuSession: (args: HoldGpuSessionInput) => unheard(() => session.holdGpuSession(args)),
        }),
      }),
    ),
  ]);
  const running = Promise.all(workers.map((worker) => worker.run()));
  return {
    slot,
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

describe('a session that its pod is asked to hold on', function () {
  this.timeout(60_000);
  const { server, start } = trainingJobsOnDevServer();

  it('is not held for ever where the pod hears of that only when the job has ended it', async () => {
    const pod = await startPod(server().env.address);
    const job = await start(trainingInput({ room: ROOM }));
    assert.equal((await job.result()).phase, 'done');
    assert.equal(pod.slot.free, true);
    await pod.stop();
  });
});
