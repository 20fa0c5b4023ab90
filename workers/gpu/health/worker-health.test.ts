import assert from 'node:assert/strict';
import { CancelledFailure } from '@temporalio/common';
import { pino } from 'pino';
import { type ErrorCode, SleapRtcError } from '../../../protocol/errors.ts';
import { GpuSlot } from '../slot/gpu-slot.ts';
import { WorkerHealth } from './worker-health.ts';

describe('the health of a worker', () => {
  let slot: GpuSlot;
  let wrong: string | undefined;
  let health: WorkerHealth;

  beforeEach(() => {
    slot = new GpuSlot();
    wrong = undefined;
    const selfCheck = () => Promise.resolve(wrong);
    health = new WorkerHealth({ slot, selfCheck, logger: pino({ level: 'silent' }), recheckMs: 5 });
  });
  afterEach(() => health.close());

  const failed = (jobId: string, code: ErrorCode) =>
    health.onEnded({ activity: 'train', jobId, error: new SleapRtcError(code, `It is ${code}.`) });
  const changed = () => new Promise<void>((resolve) => slot.onChange(resolve));

  it('is bad if two jobs in a row fail because of the worker: it takes no third one, and says why', () => {
    failed('job1', 'TRAINER_KILLED');
    failed('job1', 'TRAINER_KILLED');
    assert.equal(slot.status, 'available', 'the same job again may be the job’s own fault');
    failed('job2', 'DISK_FULL');
    assert.equal(slot.status, 'unhealthy');
    assert.match(slot.reason ?? '', /2 jobs in a row.*It is DISK_FULL/);
    assert.throws(() => slot.acquire('s1', 'job3'), { code: 'GPU_BUSY' });
  });

  it('is not bad for errors of the researcher, for cancelled jobs, or if a job succeeds in between', () => {
    failed('job1', 'CONFIG_REFUSED');
    failed('job2', 'GPU_OUT_OF_MEMORY');
    health.onEnded({ activity: 'train', jobId: 'job3', error: new CancelledFailure('evicted') });
    failed('job4', 'TRAINER_KILLED');
    health.onEnded({ activity: 'train', jobId: 'job5', error: undefined });
    failed('job6', 'TRAINER_KILLED');
    assert.equal(slot.status, 'available');
  });

  it('is not bad for errors that every worker would have: an outage must not take all of them out of service', () => {
    const everywhere: ErrorCode[] = ['STORAGE_UNREACHABLE', 'SERVER_UNREACHABLE', 'PEER_UNREACHABLE', 'PEER_GONE'];
    for (const code of everywhere) for (const job of ['job1', 'job2', 'job3']) failed(job, code);
    assert.equal(slot.status, 'available');
  });

  it('is bad at once if its GPU is broken, and good again when the self-check finds no problem', async () => {
    wrong = 'The GPU does not answer any more.';
    failed('job1', 'GPU_BROKEN');
    assert.equal(slot.status, 'unhealthy');
    await changed();
    assert.equal(slot.reason, wrong);
    wrong = undefined;
    await changed();
    assert.equal(slot.status, 'available');
  });
});
