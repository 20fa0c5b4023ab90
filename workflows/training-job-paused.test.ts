import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import type { FakeWorker, FakeWorkerOptions } from '../test/workflows/fake-worker.ts';
import { trainedModel, trainingInput } from '../test/workflows/job-inputs.ts';
import { type TrainingJob, trainingJobsOnDevServer } from '../test/workflows/training-jobs.ts';

describe('trainingJob, paused', function () {
  this.timeout(60_000);
  const {
    control,
    startWorker,
    startWorkerStalledIn,
    restartControl,
    start,
    statusOf,
    failureOf,
    controlJob,
    refuses,
  } = trainingJobsOnDevServer();

  /** Trains for ever at first, and at once when the job comes again. */
  function interrupted() {
    const training = Promise.withResolvers<void>();
    const again: (boolean | undefined)[] = [];
    const overrides = (self: FakeWorker): ReturnType<NonNullable<FakeWorkerOptions['overrides']>> => ({
      train: async (args) => {
        again.push(args.may_have_remote_checkpoint);
        if (again.length > 1) return trainedModel(args.input, args.run_index);
        training.resolve();
        await self.work();
        throw new Error('never');
      },
    });
    return { overrides, training: training.promise, again };
  }
  async function untilPaused(job: TrainingJob): Promise<void> {
    while ((await statusOf(job)).phase !== 'paused') await setTimeout(20);
  }

  async function pending(job: TrainingJob): Promise<(string | null | undefined)[]> {
    const { raw } = await job.describe();
    return (raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name);
  }

  it('while training: keeps the checkpoint, gives the GPU to others, and goes on from it when resumed', async () => {
    const room = 'pause-training';
    const { overrides, training, again } = interrupted();
    const worker = await startWorker({ room, overrides });
    const job = await start(trainingInput({ room, modelTypes: ['centroid', 'centered_instance'] }));
    await training;
    await controlJob(job, 'pause');
    await controlJob(job, 'pause');
    await untilPaused(job);
    assert.equal(worker.sessions.size, 0);
    assert.ok(worker.calls.indexOf('pauseTraining') < worker.calls.indexOf('endGpuSession'));
    assert.partialDeepStrictEqual(await statusOf(job), { worker: null, error: null });
    assert.match((await statusOf(job)).detail, /jobs resume [0-9a-f]+` goes on/);
    assert.equal((await (await start(trainingInput({ room }))).result()).phase, 'done');
    assert.equal((await statusOf(job)).phase, 'paused');

    await controlJob(job, 'resume');
    const { phase, models } = await job.result();
    assert.deepEqual([phase, models.length], ['done', 2]);
    // The first run, that of the other job, and the first one again with the second behind it.
    assert.deepEqual(again, [false, false, true, true]);
  });

  it('goes on at the worker that has its data, where that one is free', async () => {
    const room = 'pause-holder';
    const { overrides, training } = interrupted();
    const holder = await startWorker({ room, name: 'holder', overrides });
    const job = await start(trainingInput({ room }));
    await training;
    await Promise.all(['other-1', 'other-2', 'other-3'].map((name) => startWorker({ room, name })));
    await controlJob(job, 'pause');
    await untilPaused(job);
    await controlJob(job, 'resume');
    assert.equal((await job.result()).worker, holder.name);
  });

  it('says at once that it pauses, and no more when it is resumed meanwhile', async () => {
    const room = 'pause-said';
    const { overrides, training } = interrupted();
    const told = Promise.withResolvers<void>();
    await startWorker({ room, overrides: (self) => ({ ...overrides(self), controlTraining: () => told.promise }) });
    const job = await start(trainingInput({ room }));
    await training;
    await controlJob(job, 'pause');
    assert.partialDeepStrictEqual(await statusOf(job), {
      phase: 'training',
      detail: 'pausing; the last checkpoint is kept',
    });
    await controlJob(job, 'resume');
    told.resolve();
    assert.equal((await job.result()).phase, 'done');
  });

  it('while queued: takes no GPU until it is resumed, also when the control worker was away', async () => {
    const room = 'pause-queued';
    const job = await start(trainingInput({ room }));
    await controlJob(job, 'pause');
    await untilPaused(job);
    const worker = await startWorker({ room });
    await restartControl();
    assert.equal((await (await start(trainingInput({ room }))).result()).phase, 'done');
    assert.equal(worker.calls.filter((call) => call === 'train').length, 1);
    assert.equal((await statusOf(job)).phase, 'paused');
    await controlJob(job, 'resume');
    assert.equal((await job.result()).phase, 'done');
  });

  it('while receiving: goes on with that', async () => {
    const room = 'pause-receiving';
    const { worker, reached } = await startWorkerStalledIn('receiveDataset', { room });
    const job = await start(trainingInput({ room }));
    await reached;
    await controlJob(job, 'pause');
    await untilPaused(job);
    assert.equal(worker.sessions.size, 0);
    assert.match((await statusOf(job)).detail, /researcher’s computer is needed again/);
    await controlJob(job, 'resume');
    assert.equal((await job.result()).phase, 'done');
  });

  it('after training: is refused, and changes nothing', async () => {
    const room = 'pause-late';
    const goOn = Promise.withResolvers<void>();
    const { reached } = await startWorkerStalledIn('returnResults', { room, goOn: goOn.promise });
    const job = await start(trainingInput({ room }));
    await reached;
    await refuses(job, 'pause', /is not paused, since nothing is being trained now: bringing the models/);
    assert.equal((await statusOf(job)).phase, 'returning');
    goOn.resolve();
    assert.match((await job.result()).detail, /brought back/);
  });

  it('when training ends before it could: is brought to its end', async () => {
    const trained = Promise.withResolvers<void>();
    const training = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const { reached: returning } = await startWorkerStalledIn('returnResults', {
      room: 'pause-overtaken',
      goOn: goOn.promise,
      overrides: (self) => ({
        train: async ({ input, run_index }) => {
          training.resolve();
          await self.workUntil(trained.promise);
          return trainedModel(input, run_index);
        },
        controlTraining: () => {
          trained.resolve();
          return returning;
        },
      }),
    });
    const job = await start(trainingInput({ room: 'pause-overtaken' }));
    await training.promise;
    await controlJob(job, 'pause');
    await returning;
    while ((await pending(job)).includes('controlTraining')) await setTimeout(20);
    assert.equal((await statusOf(job)).phase, 'returning');
    goOn.resolve();
    assert.match((await job.result()).detail, /brought back/);
  });

  it('resumed and paused again while the control worker is away: stays paused', async () => {
    const room = 'pause-again';
    const job = await start(trainingInput({ room }));
    await controlJob(job, 'pause');
    await untilPaused(job);
    await startWorker({ room });
    let accepted: Promise<void>[] = [];
    await restartControl(async () => {
      accepted = [controlJob(job, 'resume')];
      await setTimeout(500); // so that Temporal has them in this order
      accepted.push(controlJob(job, 'pause'));
    });
    await Promise.all(accepted);
    assert.equal((await (await start(trainingInput({ room }))).result()).phase, 'done');
    assert.equal((await statusOf(job)).phase, 'paused');
    await controlJob(job, 'resume');
    assert.equal((await job.result()).phase, 'done');
  });

  it('can be cancelled', async () => {
    const input = trainingInput({ room: 'pause-cancelled' });
    const job = await start(input);
    await controlJob(job, 'pause');
    await untilPaused(job);
    await job.cancel();
    assert.equal((await failureOf(job)).code, 'JOB_CANCELLED');
    assert.equal((await statusOf(job)).phase, 'cancelled');
    assert.ok(control().cleared.includes(input.spec.job_id));
  });

  it('can be cancelled through the job’s own control as well', async () => {
    const job = await start(trainingInput({ room: 'pause-cancelled-by-update' }));
    await controlJob(job, 'pause');
    await untilPaused(job);
    await controlJob(job, 'cancel');
    assert.equal((await failureOf(job)).code, 'JOB_CANCELLED');
    assert.equal((await statusOf(job)).phase, 'cancelled');
  });

  it('not paused: is not resumed', async () => {
    const job = await start(trainingInput({ room: 'pause-not' }));
    await refuses(job, 'resume', /is not paused: waiting for a/);
  });

  it('can be stopped early: a worker makes the model of what was trained', async () => {
    const room = 'pause-stopped';
    const { overrides, training } = interrupted();
    const worker = await startWorker({ room, overrides });
    const job = await start(trainingInput({ room }));
    await training;
    await controlJob(job, 'pause');
    await untilPaused(job);
    await controlJob(job, 'stop');
    assert.equal((await job.result()).phase, 'done');
    assert.ok(worker.calls.includes('stopTraining'));
  });

  it('stopped before anything was trained: ends, and says why', async () => {
    const job = await start(trainingInput({ room: 'pause-stopped-queued' }));
    await controlJob(job, 'pause');
    await untilPaused(job);
    await controlJob(job, 'stop');
    assert.match((await failureOf(job)).message, /before anything was trained/);
  });
});
