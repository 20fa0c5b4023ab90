import assert from 'node:assert/strict';
import { SleapRtcError } from '../protocol/errors.ts';
import type { FakeWorker, FakeWorkerOptions } from '../test/workflows/fake-worker.ts';
import { trainedModel, trainingInput } from '../test/workflows/job-inputs.ts';
import { type TrainingJob, trainingJobsOnDevServer } from '../test/workflows/training-jobs.ts';

describe('trainingJob, stopped early', function () {
  this.timeout(60_000);
  const { control, startWorker, startWorkerStalledIn, start, statusOf, failureOf, controlJob, refuses } =
    trainingJobsOnDevServer();

  /** The first training goes on until it is stopped. `training` resolves when it has begun. */
  function endless(): { overrides: NonNullable<FakeWorkerOptions['overrides']>; training: Promise<void> } {
    const training = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    const overrides = (self: FakeWorker): ReturnType<NonNullable<FakeWorkerOptions['overrides']>> => ({
      train: async ({ input, run_index }) => {
        if (run_index > 0) return trainedModel(input, run_index);
        training.resolve();
        await self.workUntil(stopped.promise);
        return { ...trainedModel(input, run_index), stopped_early: true };
      },
      controlTraining: async () => stopped.resolve(),
    });
    return { overrides, training: training.promise };
  }

  it('while training: publishes the best model, marked as stopped early, and trains the next run to its end', async () => {
    const room = 'stop-training';
    const { overrides, training } = endless();
    await startWorker({ room, overrides });
    const job = await start(trainingInput({ room, modelTypes: ['centroid', 'centered_instance'] }));
    await training;
    await Promise.all([controlJob(job, 'stop'), controlJob(job, 'stop')]);
    const { phase, models, detail } = await job.result();
    assert.equal(phase, 'done');
    assert.deepEqual(
      models.map(({ run, stopped_early }) => [run, stopped_early]),
      [
        ['centroid', true],
        ['centered_instance', undefined],
      ],
    );
    assert.match(detail, /stopped early/);
    const marks = Object.values(control().manifest(room).models).map(({ training }) => training.stopped_early);
    assert.deepEqual(new Set(marks), new Set([true, undefined]));
  });

  it('says at once that it stops', async () => {
    const room = 'stop-said';
    const { overrides, training } = endless();
    await startWorker({ room, overrides: (self) => ({ ...overrides(self), controlTraining: () => self.work() }) });
    const job = await start(trainingInput({ room }));
    await training;
    await controlJob(job, 'stop');
    assert.match((await statusOf(job)).detail, /centroid ends early; its best model will be published/);
    await job.cancel();
    assert.equal((await failureOf(job)).code, 'JOB_CANCELLED');
  });

  it('if the worker is lost before it could stop: the next worker stops', async () => {
    const room = 'stop-lost';
    const { overrides, training } = endless();
    const doomed = await startWorker({
      room,
      name: 'doomed',
      overrides: (self) => ({ ...overrides(self), controlTraining: () => self.work() }),
    });
    const job = await start(trainingInput({ room }));
    await training;
    await controlJob(job, 'stop');
    await doomed.stop();
    const next = endless();
    const survivor = await startWorker({ room, name: 'survivor', overrides: next.overrides });
    assert.deepEqual(
      (await job.result()).models.map(({ stopped_early }) => stopped_early),
      [true],
    );
    assert.ok(survivor.calls.includes('stopTraining'));
  });

  /** An endless run whose worker fails to receive the first stop. */
  function refusingAtFirst() {
    const { overrides, training } = endless();
    let calls = 0;
    return {
      training,
      overrides: (self: FakeWorker): ReturnType<typeof overrides> => ({
        ...overrides(self),
        controlTraining: async (args) => {
          calls += 1;
          if (calls === 1) throw new SleapRtcError('DISK_FULL', 'There is no space left.');
          await overrides(self).controlTraining?.(args);
        },
      }),
    };
  }

  for (const [how, sendAgain] of [
    ['by itself', async () => {}],
    ['at the next stop', (job: TrainingJob) => controlJob(job, 'stop')],
  ] as const) {
    it(`if the worker did not receive the stop: says so, and sends it again ${how}`, async () => {
      const room = `stop-refused-${how.replaceAll(' ', '-')}`;
      const { overrides, training } = refusingAtFirst();
      await startWorker({ room, overrides });
      const job = await start(trainingInput({ room }));
      await training;
      await controlJob(job, 'stop');
      while (!/has not received the stop yet/.test((await statusOf(job)).detail));
      await sendAgain(job);
      assert.deepEqual(
        (await job.result()).models.map(({ stopped_early }) => stopped_early),
        [true],
      );
    });
  }

  it('while waiting for another worker after a run was trained: stops the next training', async () => {
    const room = 'stop-next';
    const doomed = await startWorkerStalledIn('uploadModel', { room, name: 'doomed' });
    const job = await start(trainingInput({ room }));
    await doomed.reached;
    await doomed.worker.stop();
    while ((await statusOf(job)).phase !== 'queued');
    await controlJob(job, 'stop');
    const { overrides } = endless();
    await startWorker({ room, name: 'survivor', overrides });
    assert.deepEqual(
      (await job.result()).models.map(({ stopped_early }) => stopped_early),
      [true],
    );
  });

  it('while queued: ends without a model, and says why', async () => {
    const job = await start(trainingInput({ room: 'stop-queued' }));
    await controlJob(job, 'stop');
    const { code, message } = await failureOf(job);
    assert.equal(code, 'JOB_CANCELLED');
    assert.match(message, /before anything was trained/);
    assert.equal((await statusOf(job)).phase, 'cancelled');
  });

  it('while receiving: stops that, frees the GPU, and says why', async () => {
    const room = 'stop-receiving';
    const { worker, reached } = await startWorkerStalledIn('receiveDataset', { room });
    const job = await start(trainingInput({ room }));
    await reached;
    await controlJob(job, 'stop');
    assert.match((await failureOf(job)).message, /before anything was trained/);
    assert.equal(worker.sessions.size, 0);
    assert.deepEqual(control().manifest(room).models, {});
  });

  it('after training: is refused, and changes nothing', async () => {
    const room = 'stop-late';
    const goOn = Promise.withResolvers<void>();
    const { reached } = await startWorkerStalledIn('returnResults', { room, goOn: goOn.promise });
    const job = await start(trainingInput({ room }));
    await reached;
    await refuses(job, 'stop', /has no training under way to stop: bringing the models/);
    assert.equal((await statusOf(job)).phase, 'returning');
    goOn.resolve();
    assert.deepEqual(
      (await job.result()).models.map(({ stopped_early }) => stopped_early),
      [undefined],
    );
  });
});
