import assert from 'node:assert/strict';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { SleapRtcError } from '../protocol/errors.ts';
import { type FakeControl, startFakeControl } from '../test/workflows/fake-control.ts';
import { trainedModel, trainingInput } from '../test/workflows/job-inputs.ts';
import { timeSkippingServer } from '../test/workflows/servers.ts';
import { trainingJobsOn } from '../test/workflows/training-jobs.ts';

describe('a job’s data', function () {
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
  const { startWorker, start, statusOf } = trainingJobsOn(() => env);

  it('is staged while the job trains, and removed when it has ended', async () => {
    const staged = Promise.withResolvers<void>();
    await startWorker({
      room: 'staged',
      overrides: (self) => ({
        stageDataset: async () => staged.resolve(),
        train: async ({ input, run_index }) => {
          await self.workUntil(staged.promise);
          return trainedModel(input, run_index);
        },
      }),
    });
    const input = trainingInput({ room: 'staged' });
    assert.equal((await (await start(input)).result()).staging, 'staged');
    assert.ok(control.cleared.includes(input.spec.job_id));
  });

  it('that cannot be staged does not fail the job, and the status says so', async () => {
    await startWorker({
      room: 'refused',
      overrides: () => ({
        stageDataset: async () => {
          throw new SleapRtcError('NOT_ALLOWED', 'S3 refused this worker.');
        },
      }),
    });
    const status = await (await start(trainingInput({ room: 'refused' }))).result();
    assert.deepEqual([status.phase, status.staging], ['done', 'failed']);
  });

  it('that must not leave the worker is not staged', async () => {
    const worker = await startWorker({ room: 'private' });
    const status = await (await start(trainingInput({ room: 'private', spec: { stage: false } }))).result();
    assert.deepEqual([status.phase, status.staging], ['done', 'off']);
    assert.ok(!worker.calls.includes('stageDataset'));
  });

  it('that takes longer to stage than to train on does not delay the job', async () => {
    let stopped = false;
    await startWorker({
      room: 'slow',
      overrides: (self) => ({
        stageDataset: () =>
          self.work().finally(() => {
            stopped = true;
          }),
      }),
    });
    const status = await (await start(trainingInput({ room: 'slow' }))).result();
    assert.deepEqual([status.phase, stopped], ['done', true]);
  });

  for (const [room, stage, why] of [
    ['lost-early', true, /not in the room’s storage yet, so the researcher’s computer is needed again/],
    ['lost-private', false, /stays on the worker .*--no-stage.*, so the researcher’s computer is needed again/],
  ] as const) {
    it(`that was not staged when its worker was lost (stage: ${stage}) is requested again, and the job says so`, async () => {
      const lost = Promise.withResolvers<never>();
      const asked = Promise.withResolvers<void>();
      const seen = Promise.withResolvers<void>();
      let received = 0;
      await startWorker({
        room,
        slots: 2,
        overrides: (self) => ({
          runGpuSession: (args) => Promise.race([self.occupySlot(args), ...(received === 0 ? [lost.promise] : [])]),
          stageDataset: () => self.work(),
          receiveDataset: async () => {
            received += 1;
            if (received === 1) return;
            asked.resolve();
            await self.workUntil(seen.promise);
          },
          train: async () => {
            if (received > 1) throw new SleapRtcError('CONFIG_REFUSED', 'The test ends the job here.');
            lost.reject(new SleapRtcError('WORKER_LOST', 'The worker is being shut down.'));
            await self.work();
            throw new Error('never');
          },
        }),
      });
      const job = await start(trainingInput({ room, spec: { stage } }));
      await asked.promise;
      const { phase, detail } = await statusOf(job);
      seen.resolve();
      await job.result().catch(() => undefined);
      assert.equal(phase, 'receiving');
      assert.match(detail, why);
    });
  }
});
