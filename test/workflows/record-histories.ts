import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import proto from '@temporalio/proto';
import { SleapRtcError } from '../../protocol/errors.ts';
import { CONTROL_QUEUE, jobWorkflowId, roomRegistryWorkflowId } from '../../protocol/temporal/queues.ts';
import { controlJobUpdate } from '../../workflows/job/run-control.ts';
import { startFakeControl } from './fake-control.ts';
import { FakeWorker, type FakeWorkerOptions } from './fake-worker.ts';
import { inferenceInput, trainedModel, trainingInput } from './job-inputs.ts';
import { devServer } from './servers.ts';
import { startWorkerProcess } from './worker-process.ts';

/** Fields that differ from machine to machine, such as names and paths. Replay ignores them. */
const MACHINE = new Set(['identity', 'stackTrace']);

/**
 * Records a history of each way in which jobs end, as `FOLDER/NAME.json`. Do this once a release. A history that exists is
 * never recorded again, since running jobs have such histories.
 */
export async function recordHistories(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { env, stop } = await devServer();
  const control = await startFakeControl(env);

  async function record(name: string, handle: WorkflowHandle): Promise<void> {
    const history = proto.temporal.api.history.v1.History.fromObject(await handle.fetchHistory());
    const text = JSON.stringify(history, (key, value: unknown) => (MACHINE.has(key) ? undefined : value));
    await writeFile(join(folder, `${name}.json`), `${text}\n`, { flag: 'wx' });
  }
  async function withWorker(options: FakeWorkerOptions, run: (worker: FakeWorker) => Promise<void>): Promise<void> {
    const worker = await FakeWorker.start(env, options);
    await run(worker);
    await worker.stop();
  }
  function startTraining(room: string) {
    const input = trainingInput({ room, modelTypes: ['centroid', 'centered_instance'] });
    const workflowId = jobWorkflowId(room, input.spec.job_id);
    return env.client.workflow.start('trainingJob', { workflowId, taskQueue: CONTROL_QUEUE, args: [input] });
  }
  const ended = (handle: WorkflowHandle) => handle.result().catch(() => {});

  await withWorker({ room: 'done' }, async () => {
    const job = await startTraining('done');
    await ended(job);
    await record('training-done', job);
    await record('registry', env.client.workflow.getHandle(roomRegistryWorkflowId('done')));

    const input = inferenceInput({ room: 'done' });
    const workflowId = jobWorkflowId('done', input.spec.job_id);
    const infer = await env.client.workflow.start('inferenceJob', {
      workflowId,
      taskQueue: CONTROL_QUEUE,
      args: [input],
    });
    await ended(infer);
    await record('inference-done', infer);
  });

  const refuse = async () =>
    Promise.reject(new SleapRtcError('CONFIG_REFUSED', 'trainer_config.max_epochs must be positive.'));
  await withWorker({ room: 'refused', overrides: () => ({ train: refuse }) }, async () => {
    const job = await startTraining('refused');
    await ended(job);
    await record('training-refused', job);
  });

  const training = Promise.withResolvers<void>();
  await withWorker(
    {
      room: 'cancelled',
      onCall: async (activity) => {
        if (activity !== 'train') return;
        training.resolve();
        await setTimeout(1_000);
      },
    },
    async () => {
      const job = await startTraining('cancelled');
      await training.promise;
      await job.cancel();
      await ended(job);
      await record('training-cancelled', job);
    },
  );

  for (const [name, actions] of [
    ['stopped', ['stop']],
    ['paused', ['pause', 'resume']],
  ] as const) {
    const begun = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    const overrides = (self: FakeWorker): ReturnType<NonNullable<FakeWorkerOptions['overrides']>> => ({
      train: async ({ input, run_index, may_have_remote_checkpoint: again }) => {
        begun.resolve();
        if (again !== true && run_index === 0) await self.workUntil(stopped.promise);
        return trainedModel(input, run_index);
      },
      controlTraining: async ({ action }) => {
        if (action === 'stop') stopped.resolve();
      },
    });
    await withWorker({ room: name, overrides }, async (worker) => {
      const job = await startTraining(name);
      await begun.promise;
      for (const action of actions) {
        await job.executeUpdate(controlJobUpdate, { args: [{ action }] });
        while (action === 'pause' && worker.sessions.size > 0) await setTimeout(20);
      }
      await ended(job);
      await record(`training-${name}`, job);
    });
  }

  const doomed = await startWorkerProcess(env.address, { room: 'lost', name: 'doomed', stallIn: 'uploadModel' });
  const lost = await startTraining('lost');
  await doomed.reached('uploadModel');
  await doomed.kill();
  await withWorker({ room: 'lost', name: 'survivor' }, async () => {
    await ended(lost);
    await record('training-worker-lost', lost);
  });

  await control.stop();
  await stop();
}
