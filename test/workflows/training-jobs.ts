import assert from 'node:assert/strict';
import { WorkflowFailedError, type WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { fromFailure } from '../../activities/failures.ts';
import type { SleapRtcError } from '../../protocol/errors.ts';
import type { JobInput, JobStatus, TrainingSpec } from '../../protocol/job.ts';
import { CONTROL_QUEUE, jobWorkflowId } from '../../protocol/queues.ts';
import type { trainingJob } from '../../workflows/index.ts';
import { FakePod, type FakePodOptions } from './fake-pod.ts';

export type TrainingJob = WorkflowHandleWithFirstExecutionRunId<typeof trainingJob>;

/** What tests of training jobs do on a server: start fake pods, which end with each test, and jobs, and see what becomes of them. */
export function trainingJobsOn(env: () => TestWorkflowEnvironment) {
  const pods: FakePod[] = [];
  afterEach(async () => {
    for (const pod of pods.splice(0)) await pod.stop();
  });
  const startPod = async (options: FakePodOptions): Promise<FakePod> => {
    const pod = await FakePod.start(env(), options);
    pods.push(pod);
    return pod;
  };

  const start = (input: JobInput<TrainingSpec>): Promise<TrainingJob> =>
    env().client.workflow.start<typeof trainingJob>('trainingJob', {
      workflowId: jobWorkflowId(input.context.room_id, input.spec.job_id),
      taskQueue: CONTROL_QUEUE,
      args: [input],
    });
  const statusOf = (job: TrainingJob): Promise<JobStatus> => job.query<JobStatus>('jobStatus');
  const failureOf = async (job: TrainingJob): Promise<SleapRtcError> => {
    const failure = await job.result().then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.ok(failure instanceof WorkflowFailedError, 'the job did not fail');
    return fromFailure(failure);
  };
  return { startPod, start, statusOf, failureOf };
}

/**
 * Waits until the job's data is staged. The test server, unlike the real one, may lose a workflow task where a cancellation meets
 * an activity that has not started yet.
 */
export async function untilStaged(job: Pick<TrainingJob, 'query'>): Promise<void> {
  while ((await job.query<JobStatus>('jobStatus')).staging !== 'staged');
}
