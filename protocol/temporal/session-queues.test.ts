import assert from 'node:assert/strict';
import fc from 'fast-check';
import { sessionQueueOf, sessionQueuesOf, unmetRequirement } from './session-queues.ts';

const tag = fc.constantFrom('a100', 'lab', 'fast');
const memory = fc.integer({ min: 0, max: 200_000 });
const offer = fc.record({ name: fc.constantFrom('w1', 'w2'), gpuMemoryMb: memory, tags: fc.array(tag) });
const requirements = fc.record(
  { worker: fc.constantFrom('w1', 'w2'), min_gpu_memory_mb: memory, tags: fc.array(tag) },
  { requiredKeys: [] },
);

describe('session queues', () => {
  it('let every worker that meets a job’s requirements see the job', () => {
    fc.assert(
      fc.property(offer, requirements, (worker, needs) => {
        if (unmetRequirement(needs, worker) !== undefined) return;
        assert.ok(sessionQueuesOf('room', worker).includes(sessionQueueOf('room', needs)));
      }),
    );
  });

  it('do not offer a job to a worker of a lower class, which would hand it back again and again', () => {
    const small = { name: 'w1', gpuMemoryMb: 11_264, tags: [] };
    for (const needs of [{ min_gpu_memory_mb: 16_000 }, { tags: ['lab'] }, { worker: 'w2' }]) {
      assert.ok(!sessionQueuesOf('room', small).includes(sessionQueueOf('room', needs)));
    }
  });

  it('are few, since a worker polls each of them', () => {
    assert.ok(sessionQueuesOf('room', { name: 'w1', gpuMemoryMb: 200_000, tags: ['a', 'b', 'c', 'd'] }).length <= 61);
    assert.equal(sessionQueuesOf('room', { name: 'w1', gpuMemoryMb: 0, tags: [] }).length, 2);
  });

  it('say in words which requirement a worker does not meet', () => {
    const worker = { name: 'w1', gpuMemoryMb: 8_000, tags: ['lab'] };
    assert.match(unmetRequirement({ min_gpu_memory_mb: 9_000 }, worker) ?? '', /8000 MB/);
    assert.match(unmetRequirement({ tags: ['lab', 'a100'] }, worker) ?? '', /no tag a100/);
    assert.equal(unmetRequirement({}, worker), undefined);
  });
});
