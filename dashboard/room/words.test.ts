import assert from 'node:assert/strict';
import { JobPhase } from '../../protocol/jobs/job.ts';
import { bytes, count, duration, gpuMemory, loss, PHASES, person, STORY, when } from './words.ts';

/** True if a phase comes after another in a job's life. */
function isLater(phase: JobPhase, other: JobPhase): boolean {
  const order = Object.keys(PHASES);
  return order.indexOf(phase) > order.indexOf(other);
}

describe('words for people', () => {
  it('say sizes, times and losses with the digits that matter', () => {
    assert.deepEqual([0, 999, 43_123, 8_388_608, 5e12].map(bytes), ['0 B', '999 B', '43.1 kB', '8.39 MB', '5 TB']);
    assert.deepEqual([512, 24_576, 16_384].map(gpuMemory), ['512 MB', '24 GB', '16 GB']);
    assert.deepEqual([-1, 42, 90, 3600, 11_040].map(duration), ['0 s', '42 s', '2 min', '1 h', '3 h 4 min']);
    assert.deepEqual([null, 0, 0.0023123, 1.23e-7, 12.345].map(loss), ['–', '0', '0.00231', '1.2e-7', '12.3']);
    assert.deepEqual([count(1, 'worker'), count(2, 'worker')], ['1 worker', '2 workers']);
  });

  it('say a time relative to today, and leave other text unchanged', () => {
    const now = new Date(2025, 10, 11, 18, 0);
    assert.equal(when(new Date(2025, 10, 11, 9, 5).toISOString(), now), 'today 09:05');
    assert.equal(when(new Date(2025, 9, 3, 9, 5).toISOString(), now), '3 Oct, 09:05');
    assert.equal(when(new Date(2024, 9, 3, 9, 5).toISOString(), now), '3 Oct 2024, 09:05');
    assert.equal(when('soon', now), 'soon');
  });

  it('shorten a UUID and no other name', () => {
    assert.equal(person('4bc0f1d2-1111-2222-3333-444455556666'), '4bc0f1d2');
    assert.equal(person('user-123'), 'user-123');
  });

  it('know every phase and its order', () => {
    assert.deepEqual(Object.keys(PHASES), JobPhase.options);
    assert.ok(isLater('uploading', 'training') && !isLater('training', 'training'));
    for (const story of Object.values(STORY)) {
      for (const [index, phase] of story.entries()) assert.ok(index === 0 || isLater(phase, story[index - 1] ?? phase));
    }
  });
});
