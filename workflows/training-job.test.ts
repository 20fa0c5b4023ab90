import assert from 'node:assert/strict';
import { WorkflowFailedError, type WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { HoldGpuSessionInput } from '../activities/contract.ts';
import { fromFailure } from '../activities/failures.ts';
import { SleapRtcError } from '../protocol/errors.ts';
import type { JobInput, JobStatus, TrainingSpec } from '../protocol/job.ts';
import { CONTROL_QUEUE, jobWorkflowId } from '../protocol/queues.ts';
import { type FakeControl, startFakeControl } from '../test/workflows/fake-control.ts';
import { FakePod, type FakePodOptions } from '../test/workflows/fake-pod.ts';
import { trainingInput } from '../test/workflows/job-inputs.ts';
import { timeSkippingServer } from '../test/workflows/servers.ts';
import type { trainingJob } from './index.ts';

type Job = WorkflowHandleWithFirstExecutionRunId<typeof trainingJob>;

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

  const pods: FakePod[] = [];
  afterEach(async () => {
    for (const pod of pods.splice(0)) await pod.stop();
  });
  const startPod = async (options: FakePodOptions): Promise<FakePod> => {
    const pod = await FakePod.start(env, options);
    pods.push(pod);
    return pod;
  };

  const start = (input: JobInput<TrainingSpec>): Promise<Job> =>
    env.client.workflow.start<typeof trainingJob>('trainingJob', {
      workflowId: jobWorkflowId(input.context.room_id, input.spec.job_id),
      taskQueue: CONTROL_QUEUE,
      args: [input],
    });
  const statusOf = (job: Job): Promise<JobStatus> => job.query<JobStatus>('jobStatus');
  const failureOf = async (job: Job): Promise<SleapRtcError> => {
    const failure = await job.result().then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(failure instanceof WorkflowFailedError, 'the job did not fail');
    return fromFailure(failure);
  };
  const eventCount = async (job: Job): Promise<number> => (await job.fetchHistory()).events?.length ?? 0;

  it('receives, trains, uploads, publishes and brings back, and frees the GPU', async () => {
    const pod = await startPod({ room: 'happy' });
    const input = trainingInput({ room: 'happy', spec: { alias: 'production-v2' } });
    const job = await start(input);
    const status = await job.result();

    assert.equal(status.phase, 'done');
    assert.equal(status.worker, 'worker-1');
    const [model] = status.models;
    assert.deepEqual(model?.aliases, ['production-v2', 'latest-centroid']);
    const manifest = control.manifest('happy');
    assert.deepEqual(manifest.aliases, { 'production-v2': model?.id, 'latest-centroid': model?.id });
    assert.deepEqual(pod.calls.slice(0, 4), ['holdGpuSession', 'receiveDataset', 'train', 'uploadModel']);
    assert.deepEqual(pod.calls.slice(4).sort(), ['announceJobComplete', 'endGpuSession', 'returnResults']);
    assert.equal(pod.sessions.size, 0);
    assert.deepEqual(await statusOf(job), status);
  });

  it('keeps its history short enough to be read', async () => {
    await startPod({ room: 'short' });
    const one = await start(trainingInput({ room: 'short' }));
    await one.result();
    assert.ok((await eventCount(one)) <= 80, `${await eventCount(one)} events`);
    const two = await start(trainingInput({ room: 'short', modelTypes: ['centroid', 'centered_instance'] }));
    await two.result();
    // A busy server answers step by step where a quiet one answers two steps at once, so a few events come and go.
    assert.ok((await eventCount(two)) <= 100, `${await eventCount(two)} events for two runs`);
  });

  it('waits for a worker, and says so', async () => {
    const input = trainingInput({ room: 'nobody' });
    const job = await start(input);
    const { phase, detail, worker } = await statusOf(job);
    assert.deepEqual([phase, worker], ['queued', null]);
    assert.match(detail, /waiting for a free worker of nobody/);
    await startPod({ room: 'nobody' });
    assert.equal((await job.result()).phase, 'done');
  });

  it('goes to the worker that was asked for by name', async () => {
    const input = trainingInput({ room: 'named', spec: { requirements: { worker: 'worker-7' } } });
    const other = await startPod({ room: 'named', name: 'worker-1' });
    const job = await start(input);
    await startPod({ room: 'named', name: 'worker-7' });
    assert.equal((await job.result()).worker, 'worker-7');
    assert.deepEqual(other.calls, []);
  });

  describe('when pods die', () => {
    it('gives up after several, since the job may be what kills them', async () => {
      let held = 0;
      await startPod({
        room: 'deadly',
        overrides: () => ({
          holdGpuSession: async () => {
            held += 1;
            throw new SleapRtcError('POD_LOST', 'The worker is leaving.');
          },
        }),
      });
      const job = await start(trainingInput({ room: 'deadly' }));
      const error = await failureOf(job);
      assert.equal(error.code, 'POD_LOST');
      assert.equal(held, 6);
      assert.equal((await statusOf(job)).phase, 'failed');
    });
  });

  it('asks on where a GPU has just been taken', async () => {
    let busy = 3;
    const pod = await startPod({ room: 'busy', overrides: (self) => ({ holdGpuSession: refuseFirst(self) }) });
    function refuseFirst(self: FakePod) {
      return async (args: HoldGpuSessionInput) => {
        if (busy-- > 0) throw new SleapRtcError('GPU_BUSY', 'The GPU is taken.');
        await self.hold(args);
      };
    }
    const job = await start(trainingInput({ room: 'busy' }));
    assert.equal((await job.result()).phase, 'done');
    assert.equal(pod.calls.filter((call) => call === 'holdGpuSession').length, 4);
    assert.ok((await eventCount(job)) <= 80);
  });

  it('retries what a retry can cure, on the same pod', async () => {
    let failures = 2;
    const pod = await startPod({
      room: 'flaky',
      overrides: () => ({
        receiveDataset: async () => {
          if (failures-- > 0) throw new SleapRtcError('PEER_GONE', 'The researcher’s connection broke.');
        },
      }),
    });
    assert.equal((await (await start(trainingInput({ room: 'flaky' }))).result()).phase, 'done');
    assert.equal(pod.calls.filter((call) => call === 'holdGpuSession').length, 1);
    assert.equal(pod.calls.filter((call) => call === 'receiveDataset').length, 3);
  });

  it('ends with the code of an error that only a person can cure, without trying again, and frees the GPU', async () => {
    const pod = await startPod({
      room: 'refused',
      overrides: () => ({
        train: async () => {
          throw new SleapRtcError('CONFIG_REFUSED', 'trainer_config.max_epochs must be positive.');
        },
      }),
    });
    const job = await start(trainingInput({ room: 'refused' }));
    const error = await failureOf(job);
    assert.equal(error.code, 'CONFIG_REFUSED');
    assert.match(error.message, /max_epochs/);
    const status = await statusOf(job);
    assert.equal(status.phase, 'failed');
    assert.deepEqual(status.error, { code: error.code, message: error.message, remedy: error.remedy });
    assert.equal(pod.calls.filter((call) => call === 'train').length, 1);
    assert.equal(pod.sessions.size, 0);
    assert.deepEqual(control.manifest('refused').models, {});
  });

  it('stays done when the researcher can’t be reached afterwards', async () => {
    await startPod({
      room: 'gone',
      overrides: () => ({
        returnResults: async () => {
          throw new SleapRtcError('PEER_UNREACHABLE', 'No path to the researcher.');
        },
        announceJobComplete: async () => {
          throw new SleapRtcError('SERVER_UNREACHABLE', 'The signaling server is away.');
        },
      }),
    });
    const status = await (await start(trainingInput({ room: 'gone' }))).result();
    assert.equal(status.phase, 'done');
    assert.equal(status.error, null);
  });

  describe('cancelled', () => {
    const phases = [
      ['receiving', 'receiveDataset'],
      ['training', 'train'],
      ['uploading', 'uploadModel'],
    ] as const;
    for (const [phase, activity] of phases) {
      it(`while ${phase}: stops the work first, then frees the GPU, and publishes nothing`, async () => {
        const room = `cancel-${phase}`;
        const reached = Promise.withResolvers<void>();
        let stoppedWhileHeld: boolean | undefined;
        const pod = await startPod({
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
        assert.equal((await statusOf(job)).phase, phase);
        await job.cancel();
        assert.equal((await failureOf(job)).code, 'JOB_CANCELLED');
        const status = await statusOf(job);
        assert.equal(status.phase, 'cancelled');
        assert.equal(status.error?.code, 'JOB_CANCELLED');
        assert.equal((await job.describe()).status.name, 'CANCELLED');
        assert.equal(stoppedWhileHeld, true);
        assert.equal(pod.sessions.size, 0);
        assert.equal(pod.calls.at(-1), 'endGpuSession');
        assert.deepEqual(control.manifest(room).models, {});
      });
    }

    it('counts as cancelled also where the step that is told to stop fails for another reason', async () => {
      const reached = Promise.withResolvers<void>();
      await startPod({
        room: 'cancel-and-fail',
        overrides: (self) => ({
          receiveDataset: async () => {
            reached.resolve();
            await self.work().catch(() => {
              // Not retryable, for the test server would try again where the real one no longer does.
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

    it('while queued: leaves the queue', async () => {
      const job = await start(trainingInput({ room: 'cancel-queued' }));
      await job.cancel();
      assert.equal((await failureOf(job)).code, 'JOB_CANCELLED');
      assert.equal((await statusOf(job)).phase, 'cancelled');
    });

    it('after publishing: is done, as the room says', async () => {
      const reached = Promise.withResolvers<void>();
      const pod = await startPod({
        room: 'cancel-late',
        overrides: (self) => ({
          returnResults: async () => {
            reached.resolve();
            await self.work();
            return { delivered: true };
          },
        }),
      });
      const job = await start(trainingInput({ room: 'cancel-late' }));
      await reached.promise;
      await job.cancel();
      assert.equal((await job.result()).phase, 'done');
      assert.equal(pod.sessions.size, 0);
    });
  });
});
