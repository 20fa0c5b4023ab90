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

  /** The first training never ends; a later one ends at once. */
  function interrupted() {
    const training = Promise.withResolvers<void>();
    const mayHaveCheckpoint: (boolean | undefined)[] = [];
    const overrides = (self: FakeWorker): ReturnType<NonNullable<FakeWorkerOptions['overrides']>> => ({
      train: async (args) => {
        mayHaveCheckpoint.push(args.may_have_remote_checkpoint);
        if (mayHaveCheckpoint.length > 1) return trainedModel(args.input, args.run_index);
        training.resolve();
        await self.work();
        throw new Error('never');
      },
    });
    return { overrides, training: training.promise, mayHaveCheckpoint };
  }
  async function untilPaused(job: TrainingJob): Promise<void> {
    while ((await statusOf(job)).phase !== 'paused') await setTimeout(20);
  }

  async function pending(job: TrainingJob): Promise<(string | null | undefined)[]> {
    const { raw } = await job.describe();
    return (raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name);
  }

  it('while training: uploads the checkpoint, leaves the GPU to other jobs, and goes on from it when resumed', async () => {
    const room = 'pause-training';
    const { overrides, training, mayHaveCheckpoint } = interrupted();
    const worker = await startWorker({ room, overrides });
    const job = await start(trainingInput({ room, modelTypes: ['centroid', 'centered_instance'] }));
    await training;
    await controlJob(job, 'pause');
    await controlJob(job, 'pause');
    await untilPaused(job);
    assert.equal(worker.sessions.size, 0);
    assert.ok(worker.calls.indexOf('pauseTraining') < worker.calls.indexOf('endGpuSession'));
    assert.partialDeepStrictEqual(await statusOf(job), { worker: null, error: null });
    assert.match((await statusOf(job)).detail, /jobs resume [0-9a-f]+` resumes it/);
    assert.equal((await (await start(trainingInput({ room }))).result()).phase, 'done');
    assert.equal((await statusOf(job)).phase, 'paused');

    await controlJob(job, 'resume');
    const { phase, models } = await job.result();
    assert.deepEqual([phase, models.length], ['done', 2]);
    // The first run, the run of the other job, then the first run again, and the second run.
    assert.deepEqual(mayHaveCheckpoint, [false, false, true, true]);
  });

  it('goes on on the worker that has its data, if that worker is free', async () => {
    const room = 'pause-locality';
    const { overrides, training } = interrupted();
    const worker = await startWorker({ room, name: 'has-data', overrides });
    const job = await start(trainingInput({ room }));
    await training;
    await Promise.all(['other-1', 'other-2', 'other-3'].map((name) => startWorker({ room, name })));
    await controlJob(job, 'pause');
    await untilPaused(job);
    await controlJob(job, 'resume');
    assert.equal((await job.result()).worker, worker.name);
  });

  it('says at once that it is pausing, and goes on if it is resumed meanwhile', async () => {
    const room = 'pause-said';
    const { overrides, training } = interrupted();
    const received = Promise.withResolvers<void>();
    await startWorker({ room, overrides: (self) => ({ ...overrides(self), controlTraining: () => received.promise }) });
    const job = await start(trainingInput({ room }));
    await training;
    await controlJob(job, 'pause');
    assert.partialDeepStrictEqual(await statusOf(job), {
      phase: 'training',
      detail: 'pausing; the last checkpoint is uploaded',
    });
    await controlJob(job, 'resume');
    received.resolve();
    assert.equal((await job.result()).phase, 'done');
  });

  it('while queued: takes no GPU until it is resumed, even if the control worker was restarted', async () => {
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

  it('while receiving: goes on receiving when it is resumed', async () => {
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

  it('if training ends before the pause takes effect: the job is done', async () => {
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

  it('resumed and paused again while no control worker runs: stays paused', async () => {
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

  it('if it is not paused: refuses to be resumed', async () => {
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
