import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { CancelledFailure } from '@temporalio/common';
import { pino } from 'pino';
import { type ErrorCode, SleapRtcError } from '../../../protocol/errors.ts';
import { GpuSlot } from '../slot/gpu-slot.ts';
import { WorkerHealth } from './worker-health.ts';

describe('the health of a worker', () => {
  let slot: GpuSlot;
  let wrong: string | undefined;
  let health: WorkerHealth;
  let checks: number;

  beforeEach(() => {
    slot = new GpuSlot();
    wrong = undefined;
    checks = 0;
    const selfCheck = async () => {
      checks += 1;
      return wrong;
    };
    health = new WorkerHealth({ slot, selfCheck, logger: pino({ level: 'silent' }), recheckMs: 5 });
  });
  afterEach(() => health.close());

  const failed = (jobId: string, code: ErrorCode) =>
    health.onEnded({ activity: 'train', jobId, error: new SleapRtcError(code, `It is ${code}.`) });
  /** Resolves when the next self-check has ended. */
  const checked = async () => {
    const before = checks;
    while (checks === before) await setImmediate();
    await setImmediate();
  };
  const changed = () => new Promise<void>((resolve) => slot.onChange(resolve));

  it('is bad if two jobs in a row fail and the self-check finds a problem: it takes no third one, and says why', async () => {
    wrong = 'The worker’s disk has 0.1 GB left.';
    failed('job1', 'TRAINER_KILLED');
    failed('job1', 'TRAINER_KILLED');
    assert.equal(checks, 0, 'the same job again may be the job’s own fault');
    failed('job2', 'DISK_FULL');
    await changed();
    assert.equal(slot.status, 'unhealthy');
    assert.equal(slot.reason, wrong);
    assert.throws(() => slot.acquire('s1', 'job3'), { code: 'GPU_BUSY' });
  });

  it('is not bad because of any number of jobs, if the self-check finds no problem: a job can cause any error', async () => {
    let closed = 0;
    slot.onChange(() => {
      closed += 1;
    });
    for (let n = 0; n < 5; n += 1) {
      failed(`gpu${n}`, 'GPU_BROKEN');
      failed(`internal${n}`, 'INTERNAL');
      await checked();
    }
    assert.equal(closed, 0);
    assert.equal(slot.status, 'available');
  });

  it('is examined when the job has left: what it has on the disk does not count', async () => {
    const lease = slot.acquire('s1', 'job1');
    failed('job1', 'GPU_BROKEN');
    await setImmediate();
    assert.equal(checks, 0);
    lease.release();
    await checked();
    assert.equal(checks, 1);
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

  it('is bad after one job if its GPU is broken, and good again when the self-check finds no problem', async () => {
    wrong = 'The GPU does not answer any more.';
    failed('job1', 'GPU_BROKEN');
    await changed();
    assert.equal(slot.status, 'unhealthy');
    assert.equal(slot.reason, wrong);
    wrong = undefined;
    while (slot.status === 'unhealthy') await changed();
    assert.equal(slot.status, 'available');
  });
});
