import assert from 'node:assert/strict';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { createRequestManifestChanges } from '../activities/registry/request-changes.ts';
import { SleapRtcError } from '../protocol/errors.ts';
import type { JobStatus } from '../protocol/jobs/job.ts';
import type { JobAction } from '../protocol/jobs/job-action.ts';
import { fromFailure } from '../protocol/temporal/failures.ts';
import { CONTROL_QUEUE, jobWorkflowId, roomRegistryWorkflowId } from '../protocol/temporal/queues.ts';
import { type FakeControl, startFakeControl } from '../test/workflows/fake-control.ts';
import { FakeWorker, type FakeWorkerOptions } from '../test/workflows/fake-worker.ts';
import { inferenceInput, modelEntry, trainedModel, trainingInput } from '../test/workflows/job-inputs.ts';
import { timeSkippingServer } from '../test/workflows/servers.ts';
import { untilStaged } from '../test/workflows/training-jobs.ts';
import type { inferenceJob } from './index.ts';
import { controlJobUpdate } from './job/run-control.ts';
import type { RoomRegistryReport } from './registry/room-registry.ts';

describe('inferenceJob', function () {
  this.timeout(60_000);
  let env: TestWorkflowEnvironment;
  let control: FakeControl;
  const workers: FakeWorker[] = [];

  before(async () => {
    env = await timeSkippingServer();
    control = await startFakeControl(env);
  });
  afterEach(async () => {
    for (const worker of workers.splice(0)) await worker.stop();
  });
  after(async () => {
    await control?.stop();
    await env?.teardown();
  });

  const startWorker = async (options: FakeWorkerOptions): Promise<FakeWorker> => {
    const worker = await FakeWorker.start(env, options);
    workers.push(worker);
    return worker;
  };
  const start = (room: string) => {
    const input = inferenceInput({ room });
    return env.client.workflow.start<typeof inferenceJob>('inferenceJob', {
      workflowId: jobWorkflowId(room, input.spec.job_id),
      taskQueue: CONTROL_QUEUE,
      args: [input],
    });
  };

  it('gets models and data, predicts, uploads the predictions, and returns them to the researcher', async () => {
    const worker = await startWorker({ room: 'infer' });
    const job = await start('infer');
    const status = await job.result();
    assert.equal(status.phase, 'done');
    assert.match(status.detail, /brought back/);
    assert.deepEqual(worker.calls.slice(1, 3).sort(), ['ensureModels', 'receiveDataset']);
    assert.deepEqual(worker.calls.filter((call) => call !== 'stageDataset').slice(3, 5), ['predict', 'uploadResults']);
    assert.ok(worker.calls.includes('stageDataset'));
    assert.equal(worker.sessions.size, 0);
    assert.ok(((await job.fetchHistory()).events?.length ?? 0) <= 80);
  });

  it('records in the manifest that the worker has a model that it had to download', async () => {
    const room = 'fetched';
    const training = trainingInput({ room });
    const model = modelEntry(training, trainedModel(training, 0), 'worker-0');
    const publish = { type: 'publish_model', change_id: 'published', model } as const;
    await createRequestManifestChanges({ temporal: env.client })({ room_id: room, changes: [publish] });
    const worker = await startWorker({
      room,
      overrides: () => ({ ensureModels: async () => ({ fetched: [model.id] }) }),
    });
    assert.equal((await (await start(room)).result()).phase, 'done');
    const registry = env.client.workflow.getHandle(roomRegistryWorkflowId(room));
    // The job does not wait for the registry.
    while ((await registry.query<RoomRegistryReport>('registry')).changes < 2);
    assert.deepEqual(control.manifest(room).models[model.id]?.available_on_workers, ['worker-0', worker.name]);
  });

  it('does not wait for the researcher’s data if a model is missing', async () => {
    const worker = await startWorker({
      room: 'no-model',
      overrides: (self) => ({
        ensureModels: async () => {
          throw new SleapRtcError('MODEL_NOT_FOUND', 'The room has no model 22222222.');
        },
        receiveDataset: () => self.work(),
      }),
    });
    const job = await start('no-model');
    await assert.rejects(job.result(), (error: unknown) => fromFailure(error).code === 'MODEL_NOT_FOUND');
    assert.equal((await job.query<JobStatus>('jobStatus')).phase, 'failed');
    assert.ok(!worker.calls.includes('predict'));
    assert.equal(worker.sessions.size, 0);
  });

  it('is done even if the researcher is offline at the end', async () => {
    await startWorker({ room: 'left', overrides: () => ({ returnResults: async () => ({ delivered: false }) }) });
    const status = await (await start('left')).result();
    assert.equal(status.phase, 'done');
    assert.match(status.detail, /fetch with `sleap-rtc jobs get/);
  });

  it('can be cancelled, and refuses to be stopped, paused or resumed: it has no model or checkpoint', async () => {
    const job = await start('controlled');
    const control = (action: JobAction) => job.executeUpdate(controlJobUpdate, { args: [{ action }] });
    for (const [action, sentence] of [
      ['stop', /no model that could be published/],
      ['pause', /no checkpoint to resume from/],
      ['resume', /never paused/],
    ] as const) {
      await assert.rejects(control(action), (error: unknown) => {
        const { code, message, remedy } = fromFailure(error);
        assert.equal(code, 'JOB_ACTION_REFUSED');
        assert.match(message, sentence);
        assert.match(remedy, /jobs cancel/);
        return true;
      });
    }
    await control('cancel');
    await assert.rejects(job.result(), (error: unknown) => fromFailure(error).code === 'JOB_CANCELLED');
    assert.equal((await job.query<JobStatus>('jobStatus')).phase, 'cancelled');
  });

  it('stops predicting when it is cancelled', async () => {
    const reached = Promise.withResolvers<void>();
    const worker = await startWorker({
      room: 'cancelled',
      overrides: (self) => ({
        predict: async () => {
          reached.resolve();
          await self.work();
          return { frames: 0, seconds: 0 };
        },
      }),
    });
    const job = await start('cancelled');
    await reached.promise;
    await untilStaged(job);
    await job.cancel();
    await assert.rejects(job.result(), (error: unknown) => fromFailure(error).code === 'JOB_CANCELLED');
    assert.equal(worker.sessions.size, 0);
    assert.ok(!worker.calls.includes('uploadResults'));
  });
});
