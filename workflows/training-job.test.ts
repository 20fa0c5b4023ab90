import assert from 'node:assert/strict';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { RunGpuSessionInput } from '../activities/contract.ts';
import { type ErrorCode, SleapRtcError } from '../protocol/errors.ts';
import { type FakeControl, startFakeControl } from '../test/workflows/fake-control.ts';
import type { FakeWorker } from '../test/workflows/fake-worker.ts';
import { trainedModel, trainingInput } from '../test/workflows/job-inputs.ts';
import { timeSkippingServer } from '../test/workflows/servers.ts';
import { type TrainingJob, trainingJobsOn } from '../test/workflows/training-jobs.ts';

describe('trainingJob', function () {
  this.timeout(60_000);
  let env: TestWorkflowEnvironment;
  let control: FakeControl;

  before(async () => {
    env = await timeSkippingServer();
    control = await startFakeControl(env);
  });
  after(async () => {
    await control?.stop();
    await env?.teardown();
  });

  const { startWorker, start, statusOf, failureOf } = trainingJobsOn(() => env);
  const eventCount = async (job: TrainingJob): Promise<number> => (await job.fetchHistory()).events?.length ?? 0;

  it('receives, trains, uploads, publishes, returns the model, and frees the GPU', async () => {
    const worker = await startWorker({ room: 'happy' });
    const input = trainingInput({ room: 'happy', spec: { alias: 'production-v2' } });
    const job = await start(input);
    const status = await job.result();

    assert.equal(status.phase, 'done');
    assert.equal(status.worker, 'worker-1');
    const [model] = status.models;
    assert.deepEqual(model?.aliases, ['production-v2', 'latest-centroid']);
    const manifest = control.manifest('happy');
    assert.deepEqual(manifest.aliases, { 'production-v2': model?.id, 'latest-centroid': model?.id });
    const calls = worker.calls.filter((call) => call !== 'stageDataset');
    assert.deepEqual(calls.slice(0, 4), ['runGpuSession', 'receiveDataset', 'train', 'uploadModel']);
    assert.deepEqual(calls.slice(4).sort(), ['endGpuSession', 'returnResults']);
    assert.deepEqual(control.cleared, [input.spec.job_id]);
    assert.equal(worker.sessions.size, 0);
    assert.deepEqual(await statusOf(job), { ...status, session_id: null });
  });

  it('waits for a worker, and says so', async () => {
    const input = trainingInput({ room: 'nobody' });
    const job = await start(input);
    const { phase, detail, worker } = await statusOf(job);
    assert.deepEqual([phase, worker], ['queued', null]);
    assert.match(detail, /waiting for a free worker of nobody/);
    await startWorker({ room: 'nobody' });
    assert.equal((await job.result()).phase, 'done');
  });

  it('goes to the worker that was asked for by name', async () => {
    const input = trainingInput({ room: 'named', spec: { requirements: { worker: 'worker-7' } } });
    const other = await startWorker({ room: 'named', name: 'worker-1' });
    const job = await start(input);
    await startWorker({ room: 'named', name: 'worker-7' });
    assert.equal((await job.result()).worker, 'worker-7');
    assert.deepEqual(other.calls, []);
  });

  describe('when workers die', () => {
    it('gives up after several, since the job may be what kills them', async () => {
      let sessions = 0;
      await startWorker({
        room: 'deadly',
        overrides: () => ({
          runGpuSession: async () => {
            sessions += 1;
            throw ApplicationFailure.nonRetryable('The worker was killed.', 'WorkerShutdown');
          },
        }),
      });
      const job = await start(trainingInput({ room: 'deadly' }));
      const error = await failureOf(job);
      assert.equal(error.code, 'WORKER_LOST');
      assert.equal(sessions, 6);
      assert.equal((await statusOf(job)).phase, 'failed');
    });
  });

  it('waits for a GPU again if another job has just taken it', async () => {
    let busy = 3;
    const worker = await startWorker({ room: 'busy', overrides: (self) => ({ runGpuSession: refuseFirst(self) }) });
    function refuseFirst(self: FakeWorker) {
      return async (args: RunGpuSessionInput) => {
        if (busy-- > 0) throw new SleapRtcError('GPU_BUSY', 'The GPU is taken.');
        await self.occupySlot(args);
      };
    }
    const job = await start(trainingInput({ room: 'busy' }));
    assert.equal((await job.result()).phase, 'done');
    assert.equal(worker.calls.filter((call) => call === 'runGpuSession').length, 4);
    assert.ok((await eventCount(job)) <= 80);
  });

  it('retries an error that a retry can fix, on the same worker', async () => {
    let failures = 2;
    const worker = await startWorker({
      room: 'flaky',
      overrides: () => ({
        receiveDataset: async () => {
          if (failures-- > 0) throw new SleapRtcError('INTEGRITY', 'labels.pkg.slp arrived damaged.');
        },
      }),
    });
    assert.equal((await (await start(trainingInput({ room: 'flaky' }))).result()).phase, 'done');
    assert.equal(worker.calls.filter((call) => call === 'runGpuSession').length, 1);
    assert.equal(worker.calls.filter((call) => call === 'receiveDataset').length, 3);
  });

  describe('ends with an error that only a person can fix, says what to do, does not try again, and frees the GPU', () => {
    const errors: [code: ErrorCode, message: string, advice: RegExp][] = [
      ['CONFIG_REFUSED', 'trainer_config.max_epochs must be positive.', /Correct the key/],
      ['LABELS_CORRUPT', 'labels.pkg.slp cannot be read as SLEAP labels: truncated file.', /save the package again/],
      ['GPU_OUT_OF_MEMORY', 'The GPU has too little memory for this config.', /Lower .*batch_size/],
    ];
    for (const [code, message, advice] of errors) {
      it(code, async () => {
        const room = `refused-${code.toLowerCase().replaceAll('_', '-')}`;
        const train = () => Promise.reject(new SleapRtcError(code, message));
        const worker = await startWorker({ room, overrides: () => ({ train }) });
        const job = await start(trainingInput({ room }));
        const error = await failureOf(job);
        assert.deepEqual([error.code, error.message], [code, message]);
        assert.match(error.remedy, advice);
        const status = await statusOf(job);
        assert.equal(status.phase, 'failed');
        assert.deepEqual(status.error, { code, message, remedy: error.remedy });
        assert.equal(worker.calls.filter((call) => call === 'train').length, 1);
        assert.equal(worker.sessions.size, 0);
        assert.deepEqual(control.manifest(room).models, {});
      });
    }
  });

  it('publishes each model as soon as it exists: if a later run fails, they stay published and the error names them', async () => {
    const room = 'later-fails';
    const atSecondRun: string[][] = [];
    await startWorker({
      room,
      overrides: () => ({
        train: async ({ input, run_index }) => {
          if (run_index === 0) return trainedModel(input, run_index);
          atSecondRun.push(Object.keys(control.manifest(room).models));
          throw new SleapRtcError('GPU_OUT_OF_MEMORY', 'The GPU has too little memory for this config.');
        },
      }),
    });
    const input = trainingInput({ room, modelTypes: ['centroid', 'centered_instance'] });
    const job = await start(input);
    const { message } = await failureOf(job);
    const { model_id } = trainedModel(input, 0);
    assert.match(message, new RegExp(`too little memory .* Published before that: ${model_id} \\(centroid\\)\\.`));
    assert.deepEqual(atSecondRun, [[model_id]]);
    const { phase, models, error } = await statusOf(job);
    assert.deepEqual([phase, models.map(({ id }) => id)], ['failed', [model_id]]);
    assert.equal(error?.message, message);
    assert.deepEqual(Object.keys(control.manifest(room).models), [model_id]);
  });

  it('is done even if the researcher can’t be reached afterwards', async () => {
    await startWorker({
      room: 'gone',
      overrides: () => ({
        returnResults: async () => {
          throw new SleapRtcError('PEER_UNREACHABLE', 'No path to the researcher.');
        },
      }),
    });
    const status = await (await start(trainingInput({ room: 'gone' }))).result();
    assert.equal(status.phase, 'done');
    assert.equal(status.error, null);
  });
});
