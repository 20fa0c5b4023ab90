import assert from 'node:assert/strict';
import type { Client } from '@temporalio/client';
import { pino } from 'pino';
import { createSessionActivities } from '../../../activities/session/index.ts';
import { activityEnvironment } from '../../../activities/testing/activity-environment.ts';
import { GpuSlot } from './gpu-slot.ts';

const never = new AbortController().signal;

describe('the GPU slot', () => {
  it('gives the GPU to one session and refuses others as busy', () => {
    const slot = new GpuSlot();
    const lease = slot.acquire('s1', 'job1');
    assert.throws(() => slot.acquire('s2', 'job2'), { code: 'GPU_BUSY' });
    lease.release();
    assert.equal(slot.acquire('s2', 'job2').jobId, 'job2');
  });

  it('lets a retried session take its own lease over, so a stale release frees nothing', () => {
    const slot = new GpuSlot();
    const first = slot.acquire('s1', 'job1');
    slot.acquire('s1', 'job1');
    first.release();
    assert.equal(slot.free, false);
  });

  it('aborts the lease of the session that its workflow ends, and of no other, and waits until it is released', async () => {
    const slot = new GpuSlot();
    const lease = slot.acquire('s1', 'job1');
    await slot.end('s0', { keepFiles: false, signal: never });
    assert.equal(lease.ended.aborted, false);
    lease.ended.addEventListener('abort', () => lease.release());
    await slot.end('s1', { keepFiles: false, signal: never });
    assert.equal(slot.free, true);
  });

  it('knows which sessions were ended, even those that it never had', async () => {
    const slot = new GpuSlot();
    slot.acquire('s1', 'job1');
    await slot.end('s2', { keepFiles: false, signal: never });
    assert.deepEqual([slot.hasEnded('s1'), slot.hasEnded('s2')], [false, true]);
  });

  it('wakes those who wait when the slot is freed, and never while draining', async () => {
    const slot = new GpuSlot();
    const lease = slot.acquire('s1', 'job1');
    const waiting = slot.whenFree(never);
    lease.release();
    await waiting;
    slot.close('draining', 'for a test');
    await assert.rejects(slot.whenFree(AbortSignal.timeout(20)), { name: 'AbortError' });
  });

  it('is free for the next job even if the files of the last one cannot be removed', async () => {
    const slot = new GpuSlot();
    const opened = Promise.withResolvers<void>();
    const { runGpuSession } = createSessionActivities({
      slot,
      client: { workflow: { getHandle: () => ({ signal: async () => opened.resolve() }) } } as unknown as Client,
      worker: { name: 'gpu-1', gpuMemoryMb: 0, tags: [] },
      workerQueue: 'worker',
      shutdown: never,
      whenQuiet: async () => {},
      isResearcherOnline: async () => true,
      onSessionEnded: () => Promise.reject(new Error('ENOTEMPTY')),
      logger: pino({ level: 'silent' }),
    });
    const session = { session_id: 's1', room_id: 'lab', job_id: 'job1', requirements: {}, workflow_id: 'w' };
    const running = activityEnvironment().run(() => runGpuSession(session));
    await opened.promise;
    await slot.end('s1', { keepFiles: false, signal: AbortSignal.timeout(5_000) });
    await running;
    assert.equal(slot.free, true);
  });
});
