import assert from 'node:assert/strict';
import { GpuSlot } from './gpu-slot.ts';

const never = new AbortController().signal;

describe('the GPU slot', () => {
  it('gives the GPU to one session and hands others back as busy', () => {
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

  it('tells the lease when its workflow ends the session, and no other, and waits until it has let go', async () => {
    const slot = new GpuSlot();
    const lease = slot.acquire('s1', 'job1');
    await slot.end('s0', never);
    assert.equal(lease.ended.aborted, false);
    lease.ended.addEventListener('abort', () => lease.release());
    await slot.end('s1', never);
    assert.equal(slot.free, true);
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
});
