import assert from 'node:assert/strict';
import { WorkflowFailedError, type WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { fromFailure } from '../activities/failures.ts';
import type { SleapRtcError } from '../protocol/errors.ts';
import type { JobInput, JobPhase, JobStatus, TrainingSpec } from '../protocol/job.ts';
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
    assert.ok((await eventCount(two)) <= 80, `${await eventCount(two)} events for two runs`);
  });
});
