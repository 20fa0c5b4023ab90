import assert from 'node:assert/strict';
import { pino } from 'pino';
import { Drain } from './drain.ts';
import { GpuSlot } from './gpu-slot.ts';

describe('draining a worker', () => {
  let slot: GpuSlot;
  let drain: Drain;
  let done: PromiseWithResolvers<void>;
  let isDone: boolean;

  beforeEach(() => {
    slot = new GpuSlot();
    done = Promise.withResolvers();
    isDone = false;
    const onDone = () => {
      isDone = true;
      done.resolve();
    };
    drain = new Drain({ slot, onDone, logger: pino({ level: 'silent' }) });
  });
  afterEach(() => drain.close());

  it('lets the present job finish, takes no other, and then ends if it was asked to', async () => {
    const lease = slot.acquire('s1', 'job1');
    drain.start(true);
    assert.equal(slot.status, 'draining');
    assert.equal(lease.ended.aborted, false);
    assert.equal(isDone, false);
    lease.release();
    await done.promise;
    assert.equal(slot.status, 'drained');
    assert.throws(() => slot.acquire('s2', 'job2'), { code: 'GPU_BUSY' });
  });

  it('ends an idle worker at once', async () => {
    drain.start(true);
    await done.promise;
  });

  it('can be undone, also while it waits for the job', async () => {
    const lease = slot.acquire('s1', 'job1');
    drain.start(true);
    drain.undo();
    assert.equal(slot.status, 'busy');
    lease.release();
    assert.equal(slot.status, 'available');
    drain.start(false);
    assert.equal(slot.status, 'drained');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isDone, false, 'it stays if it was not asked to end');
  });
});
