import assert from 'node:assert/strict';
import { WorkflowFailedError, type WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { SleapRtcError } from '../../protocol/errors.ts';
import type { JobInput, JobStatus, TrainingSpec } from '../../protocol/jobs/job.ts';
import type { JobAction } from '../../protocol/jobs/job-action.ts';
import { fromFailure } from '../../protocol/temporal/failures.ts';
import { CONTROL_QUEUE, jobWorkflowId } from '../../protocol/temporal/queues.ts';
import type { trainingJob } from '../../workflows/index.ts';
import { controlJobUpdate } from '../../workflows/job/run-control.ts';
import { type FakeControl, startFakeControl } from './fake-control.ts';
import { FakeWorker, type FakeWorkerOptions } from './fake-worker.ts';
import { type DevServer, devServer } from './servers.ts';

export type TrainingJob = WorkflowHandleWithFirstExecutionRunId<typeof trainingJob>;

/** Starts jobs and fake workers for tests on a server, and reads how the jobs end. Each test's workers stop with the test. */
export function trainingJobsOn(env: () => TestWorkflowEnvironment) {
  const workers: FakeWorker[] = [];
  afterEach(async () => {
    for (const worker of workers.splice(0)) await worker.stop();
  });
  const startWorker = async (options: FakeWorkerOptions): Promise<FakeWorker> => {
    const worker = await FakeWorker.start(env(), options);
    workers.push(worker);
    return worker;
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
  const control = (job: TrainingJob, action: JobAction): Promise<void> =>
    job.executeUpdate(controlJobUpdate, { args: [{ action }] });
  /** Resolves if the job refuses the action with a sentence that matches. */
  const refuses = (job: TrainingJob, action: JobAction, sentence: RegExp): Promise<void> =>
    assert.rejects(control(job, action), (error: unknown) => {
      const { code, message } = fromFailure(error);
      assert.equal(code, 'JOB_ACTION_REFUSED');
      assert.match(message, sentence);
      return true;
    });
  return { startWorker, start, statusOf, failureOf, controlJob: control, refuses };
}

/** The same on a real server of its own, with a control worker; for cases in which the time-skipping server differs. */
export function trainingJobsOnDevServer() {
  const running: { server?: DevServer; control?: FakeControl } = {};
  before(async () => {
    running.server = await devServer();
    running.control = await startFakeControl(running.server.env);
  });
  after(async () => {
    await running.control?.stop();
    await running.server?.stop();
  });
  const server = (): DevServer => started(running.server);
  const control = (): FakeControl => started(running.control);
  const jobs = trainingJobsOn(() => server().env);

  /**
   * Starts a worker that stays in its first activity of this name until `goOn` resolves (default: forever). `reached` resolves
   * when the activity begins.
   */
  async function startWorkerStalledIn(activity: string, options: FakeWorkerOptions & { goOn?: Promise<void> }) {
    const { goOn = new Promise(() => {}), ...rest } = options;
    const reached = Promise.withResolvers<void>();
    const onCall = async (begun: string, earlier: number) => {
      if (begun !== activity || earlier > 0) return;
      reached.resolve();
      await worker.workUntil(goOn);
    };
    const worker: FakeWorker = await jobs.startWorker({ ...rest, onCall });
    return { worker, reached: reached.promise };
  }

  /** Stops the control worker and starts another one. `meanwhile` runs while there is none. */
  async function restartControl(meanwhile?: () => Promise<void>): Promise<void> {
    await control().stop();
    await meanwhile?.();
    running.control = await startFakeControl(server().env);
  }
  return { ...jobs, server, control, restartControl, startWorkerStalledIn };
}

function started<T>(part: T | undefined): T {
  assert.ok(part, 'not started');
  return part;
}

/**
 * Waits until the job's data is staged. The test server, unlike the real one, may lose a workflow task if a cancellation meets
 * an activity that has not started yet.
 */
export async function untilStaged(job: Pick<TrainingJob, 'query'>): Promise<void> {
  while ((await job.query<JobStatus>('jobStatus')).staging !== 'staged');
}
