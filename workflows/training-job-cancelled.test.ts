import assert from 'node:assert/strict';
import { SleapRtcError } from '../protocol/errors.ts';
import { trainedModel, trainingInput } from '../test/workflows/job-inputs.ts';
import { trainingJobsOnDevServer, untilStaged } from '../test/workflows/training-jobs.ts';

// On the real server: the time-skipping one loses a cancellation if an attempt of the activity ends meanwhile.
describe('trainingJob, cancelled', function () {
  this.timeout(60_000);
  const { control, startWorker, startWorkerStalledIn, start, statusOf, failureOf, controlJob } =
    trainingJobsOnDevServer();

  const phases = [
    ['receiving', 'receiveDataset'],
    ['training', 'train'],
    ['uploading', 'uploadModel'],
  ] as const;
  const ways = [
    ['by its control', 'update', 'FAILED'],
    ['in the Temporal UI', 'ui', 'CANCELLED'],
  ] as const;
  for (const [[phase, activity], [how, way, ended]] of phases.flatMap((phase) =>
    ways.map((way) => [phase, way] as const),
  )) {
    it(`${how}, while ${phase}: stops the work first, then frees the GPU, and publishes nothing`, async () => {
      const room = `cancel-${phase}-${way}`;
      const reached = Promise.withResolvers<void>();
      let stoppedWhileHeld: boolean | undefined;
      const worker = await startWorker({
        room,
        overrides: (self) => ({
          [activity]: async () => {
            reached.resolve();
            try {
              await self.work();
            } finally {
              stoppedWhileHeld = self.sessions.size === 1;
            }
          },
        }),
      });
      const job = await start(trainingInput({ room }));
      await reached.promise;
      if (phase !== 'receiving') await untilStaged(job);
      assert.equal((await statusOf(job)).phase, phase);
      await (way === 'ui' ? job.cancel() : controlJob(job, 'cancel'));
      assert.equal((await failureOf(job)).code, 'JOB_CANCELLED');
      const status = await statusOf(job);
      assert.equal(status.phase, 'cancelled');
      assert.equal(status.error?.code, 'JOB_CANCELLED');
      assert.equal((await job.describe()).status.name, ended);
      assert.equal(stoppedWhileHeld, true);
      assert.equal(worker.sessions.size, 0);
      assert.equal(worker.calls.at(-1), 'endGpuSession');
      assert.deepEqual(control().manifest(room).models, {});
    });
  }

  it('counts as cancelled even if the cancelled step fails for another reason', async () => {
    const reached = Promise.withResolvers<void>();
    await startWorker({
      room: 'cancel-and-fail',
      overrides: (self) => ({
        receiveDataset: async () => {
          reached.resolve();
          await self.work().catch(() => {
            // Not retryable: the test server would retry it, although the real one does not.
            throw new SleapRtcError('SOURCE_CHANGED', 'The file changed while it was being sent.');
          });
        },
      }),
    });
    const job = await start(trainingInput({ room: 'cancel-and-fail' }));
    await reached.promise;
    await job.cancel();
    assert.equal((await failureOf(job)).code, 'JOB_CANCELLED');
    assert.equal((await statusOf(job)).phase, 'cancelled');
  });

  it('while its second model is trained: the first one stays published', async () => {
    const room = 'cancel-second';
    const training = Promise.withResolvers<void>();
    await startWorker({
      room,
      overrides: (self) => ({
        train: async ({ input, run_index }) => {
          if (run_index > 0) {
            training.resolve();
            await self.work();
          }
          return trainedModel(input, run_index);
        },
      }),
    });
    const input = trainingInput({ room, modelTypes: ['centroid', 'centered_instance'] });
    const job = await start(input);
    await training.promise;
    await controlJob(job, 'cancel');
    const { code, message } = await failureOf(job);
    const { model_id } = trainedModel(input, 0);
    assert.equal(code, 'JOB_CANCELLED');
    assert.match(message, new RegExp(`Published before that: ${model_id}`));
    assert.partialDeepStrictEqual(await statusOf(job), { phase: 'cancelled', models: [{ id: model_id }] });
    assert.deepEqual(Object.keys(control().manifest(room).models), [model_id]);
  });

  it('while queued: leaves the queue', async () => {
    const job = await start(trainingInput({ room: 'cancel-queued' }));
    await controlJob(job, 'cancel');
    assert.equal((await failureOf(job)).code, 'JOB_CANCELLED');
    assert.equal((await statusOf(job)).phase, 'cancelled');
  });

  it('after publishing: is done, since the room has the model', async () => {
    const { worker, reached } = await startWorkerStalledIn('returnResults', { room: 'cancel-late' });
    const job = await start(trainingInput({ room: 'cancel-late' }));
    await reached;
    await job.cancel();
    assert.equal((await job.result()).phase, 'done');
    assert.equal(worker.sessions.size, 0);
  });
});
