import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { LossCurves } from '../curves/loss-curves.ts';
import { startFreeingEmptyRooms } from './empty-rooms.ts';

const epoch = { run: 'c', run_index: 0, run_count: 1, max_epochs: 9, train_loss: 1, val_loss: 1, seconds_left: null };

describe('rooms that nobody is in', () => {
  it('are freed after a while, and those with a peer are not', async () => {
    const curves = new LossCurves();
    for (const room of ['empty', 'used']) {
      curves.observe(room, { job_id: 'job00000001', epoch: { ...epoch, epoch: 1 } });
    }
    const freed = new Set<string>();
    const jobViews = {
      rooms: ['empty', 'used', 'without-curves'],
      free: (room: string) => void freed.add(room),
    };
    const size = (room: string) => (room === 'used' ? 1 : 0);
    const stop = startFreeingEmptyRooms({
      directory: { size },
      jobViews,
      curves,
      freeAfterMs: 40,
      checkIntervalMs: 10,
    });
    try {
      while (freed.size < 2) await sleep(5);
      assert.deepEqual([...freed], ['empty', 'without-curves']);
      assert.deepEqual(curves.rooms, ['used']);
    } finally {
      stop();
    }
  });
});

describe('the curves of one room', () => {
  it('have so many points together, however many epochs its jobs report', () => {
    const curves = new LossCurves();
    const jobs = Array.from({ length: 20 }, (_, n) => `job${10_000_000 + n}`);
    for (const job_id of jobs) {
      for (let run = 0; run < 16; run += 1) {
        for (let n = 1; n <= 400; n += 1)
          curves.observe('room', { job_id, epoch: { ...epoch, run: `r${run}`, run_index: run, epoch: n } });
      }
    }
    const points = jobs.flatMap((job) => curves.of('room', job)).reduce((sum, { epochs }) => sum + epochs.length, 0);
    assert.ok(points <= 64_000, `${points} points`);
    assert.equal(curves.of('room', 'job10000019').length, 16, 'the newest job has all of its runs');
  });
});
