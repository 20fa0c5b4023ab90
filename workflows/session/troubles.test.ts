import assert from 'node:assert/strict';
import { type ErrorCode, SleapRtcError } from '../../protocol/errors.ts';
import type { JobPhase } from '../../protocol/jobs/job.ts';
import type { FakeWorkerOptions } from '../../test/workflows/fake-worker.ts';
import { trainingInput } from '../../test/workflows/job-inputs.ts';
import { type TrainingJob, trainingJobsOnDevServer } from '../../test/workflows/training-jobs.ts';

describe('a job whose worker has trouble', function () {
  this.timeout(60_000);
  const { startWorker, start, statusOf, failureOf, control } = trainingJobsOnDevServer();

  const failing = (
    activity: 'receiveDataset' | 'train' | 'uploadModel',
    code: ErrorCode,
  ): NonNullable<FakeWorkerOptions['overrides']> => {
    const fail = async () => {
      throw new SleapRtcError(code, `It is ${code}.`);
    };
    return () => ({ [activity]: fail });
  };
  async function untilPhase(job: TrainingJob, phase: JobPhase) {
    for (;;) {
      const status = await statusOf(job);
      if (status.phase === phase) return status;
    }
  }
  /** Resolves when the job waits for another worker. */
  async function untilMoved(job: TrainingJob): Promise<string> {
    for (;;) {
      const { phase, detail } = await statusOf(job);
      if (phase === 'queued' && /had trouble/.test(detail)) return detail;
    }
  }

  for (const [activity, code] of [
    ['receiveDataset', 'DISK_FULL'],
    ['train', 'DISK_FULL'],
    ['train', 'GPU_MEMORY_TAKEN'],
    ['train', 'GPU_BROKEN'],
  ] as const) {
    it(`moves to another worker: ${code} in ${activity}`, async () => {
      const room = `moves-${activity}-${code}`.toLowerCase().replaceAll('_', '-');
      await startWorker({ room, name: 'bad', overrides: failing(activity, code) });
      const job = await start(trainingInput({ room }));
      assert.match(await untilMoved(job), new RegExp(`bad had trouble: It is ${code}`));
      await startWorker({ room, name: 'good' });
      const status = await job.result();
      assert.deepEqual([status.phase, status.worker], ['done', 'good']);
    });
  }

  it('ends with the reason if a second worker has the same one: the job is at fault', async () => {
    const room = 'own-fault';
    await startWorker({ room, name: 'one', overrides: failing('train', 'GPU_BROKEN') });
    const job = await start(trainingInput({ room }));
    await untilMoved(job);
    await startWorker({ room, name: 'two', overrides: failing('train', 'GPU_BROKEN') });
    const error = await failureOf(job);
    assert.equal(error.code, 'GPU_BROKEN');
    assert.match(error.message, /failed on one and two for the same reason/);
  });

  it('holds no GPU while the researcher is away: the next job starts, and the job goes on when the researcher is back', async () => {
    const room = 'away';
    let isHere = false;
    const worker = await startWorker({
      room,
      overrides: () => ({
        receiveDataset: async ({ input }) => {
          if (input.spec.name === 'away' && !isHere) throw new SleapRtcError('RESEARCHER_AWAY', 'No data came.');
        },
      }),
    });
    worker.isResearcherOnline = false;
    const input = trainingInput({ room, spec: { name: 'away' } });
    const job = await start(input);
    const { detail } = await untilPhase(job, 'awaiting_data');
    assert.match(detail, /jobs attach .* no GPU is held/);
    assert.equal((await (await start(trainingInput({ room, spec: { name: 'next' } }))).result()).phase, 'done');
    assert.equal((await statusOf(job)).phase, 'awaiting_data');
    isHere = true;
    worker.isResearcherOnline = true;
    assert.equal((await job.result()).phase, 'done');
    const keeps = worker.ended.filter(({ job_id }) => job_id === input.spec.job_id);
    assert.deepEqual(
      keeps.map(({ keep_files }) => keep_files),
      [true, undefined],
      'what had come stays on the worker',
    );
  });

  it('keeps its finished model if S3 refuses it for good, and says where it is', async () => {
    const room = 'refused';
    const worker = await startWorker({ room, overrides: failing('uploadModel', 'STORAGE_REFUSED') });
    const input = trainingInput({ room });
    const job = await start(input);
    const error = await failureOf(job);
    assert.equal(error.code, 'STORAGE_REFUSED');
    assert.match(error.message, /was not deleted: it is on worker-1, in its folder jobs/);
    assert.deepEqual(
      worker.ended.map(({ keep_files }) => keep_files),
      [true],
    );
    assert.equal((await job.describe()).memo?.keepsFinishedWork, true);
    assert.ok(!control().cleared.includes(input.spec.job_id));
  });

  it('deletes nothing less than before if its training fails', async () => {
    const room = 'failed';
    const worker = await startWorker({ room, overrides: failing('train', 'TRAINING_FAILED') });
    await failureOf(await start(trainingInput({ room })));
    assert.deepEqual(
      worker.ended.map(({ keep_files }) => keep_files),
      [undefined],
    );
  });
});
