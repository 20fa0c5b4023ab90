import assert from 'node:assert/strict';
import type { JobRequirements } from '../../protocol/jobs/job.ts';
import type { Waiting } from '../../protocol/jobs/job-view.ts';
import type { PeerInfo } from '../../protocol/wire/signaling.ts';
import { describeWaits, type QueuedJob } from './waiting.ts';

const worker = (name: string, gpu_memory_mb: number, status: string, tags: string[] = []): PeerInfo => ({
  peer_id: name,
  role: 'worker',
  user_id: 'lab',
  connected_at: '',
  metadata: { tags, properties: { gpu_memory_mb, status } },
});
/** The wait of one job, which counts whether or not the queue has it. */
function describeWait(job: QueuedJob, queue: QueuedJob[], workers: PeerInfo[]): Waiting {
  const all = queue.includes(job) ? queue : [...queue, job];
  return describeWaits(all, workers).get(job.job_id) ?? assert.fail('the job has no wait');
}
let minute = 0;
const job = (user_id: string, requirements: JobRequirements = {}, priority = 3): QueuedJob => {
  minute += 1;
  const submitted_at = new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
  return { job_id: `job-${minute}`, user_id, submitted_at, priority, requirements };
};

describe('why a job waits', () => {
  it('names its place in line and the status of the workers that fit', () => {
    const workers = [worker('a', 8_000, 'busy'), worker('b', 24_000, 'unhealthy'), worker('small', 0, 'available')];
    const queue = [
      job('u1', { min_gpu_memory_mb: 8_000 }),
      job('u2', { min_gpu_memory_mb: 8_000 }),
      job('u3', { min_gpu_memory_mb: 8_000 }),
    ];
    const [, , last] = queue;
    assert.ok(last);
    assert.deepEqual(describeWait(last, queue, workers), {
      position: 3,
      queued: 3,
      workers_fitting: 2,
      workers_free: 0,
      sentence: '3rd in line for a worker with at least 8000 MB of GPU memory: 2 workers fit, 1 busy, 1 unhealthy',
    });
  });

  it('counts users in turns, so ten jobs of a neighbour are one ahead', () => {
    const queue = [...Array.from({ length: 10 }, () => job('busy-neighbour')), job('me'), job('me')];
    const [first, second] = queue.slice(-2);
    assert.ok(first && second);
    const workers = [worker('a', 0, 'busy')];
    assert.equal(describeWait(first, queue, workers).position, 2);
    assert.equal(describeWait(second, queue, workers).position, 4);
  });

  it('can be that jobs of higher priority go first, whoever submitted them', () => {
    const queue = [job('me'), job('other', {}, 5), job('me', {}, 1), job('me', {}, 1)];
    const positions = queue.map((queued) => describeWait(queued, queue, [worker('a', 0, 'busy')]));
    assert.deepEqual(
      positions.map(({ position }) => position),
      [3, 4, 1, 2],
    );
    assert.equal(positions[0]?.sentence, '3rd in line for a worker, 2 of higher priority before it: a fits, busy');
  });

  it('does not count jobs that wait for other workers', () => {
    const queue = [job('u1', { worker: 'a' }), job('u2', { tags: ['h100'] }), job('u3', { worker: 'b' })];
    const [, , mine] = queue;
    assert.ok(mine);
    const workers = [worker('a', 0, 'busy'), worker('b', 0, 'busy')];
    assert.equal(describeWait(mine, queue, workers).sentence, '1st in line for worker b: b fits, busy');
  });

  it('can be that no worker fits, or that none is there', () => {
    const mine = job('u1', { min_gpu_memory_mb: 40_000, tags: ['h100'] });
    assert.equal(
      describeWait(mine, [], [worker('a', 0, 'available'), worker('b', 0, 'busy')]).sentence,
      'The job needs a worker with at least 40000 MB of GPU memory and the tag h100: none of the 2 in the room is one',
    );
    assert.equal(describeWait(mine, [], []).sentence, 'No worker is in the room');
  });
});
