import assert from 'node:assert/strict';
import { type Claim, Claims } from './claims.ts';

const claim = (worker: string, sessionId: string, at: number, detail = '', job = 'job00000001'): Claim => ({
  worker,
  sessionId,
  at,
  progress: { job_id: job, phase: 'training', detail },
});

describe('reports that wait until their session is known', () => {
  it('are those of the job’s worker, although strangers report as much as they can', () => {
    const claims = new Claims();
    for (let stranger = 0; stranger < 200; stranger += 1)
      for (let n = 0; n < 40; n += 1) claims.add(claim(`evil-${stranger}`, 'guess', n, 'x'.repeat(1000)));
    claims.add(claim('w1', 'session', 50, 'first'));
    for (let stranger = 0; stranger < 200; stranger += 1)
      for (let n = 0; n < 40; n += 1) claims.add(claim(`evil-${stranger}`, 'guess', n, 'x'.repeat(1000)));
    assert.ok(claims.bytes <= 512 * 1024, `${claims.bytes} bytes`);
    assert.deepEqual(
      claims.settle('job00000001', 'session', 100).map(({ progress }) => progress.detail),
      ['first'],
    );
    assert.deepEqual([claims.size, claims.bytes], [0, 0]);
  });

  it('are about few jobs of each worker, so that it makes few questions', () => {
    const claims = new Claims();
    const taken = Array.from({ length: 100 }, (_, n) => claims.add(claim('evil', 's', n, '', `job${1e7 + n}`)));
    assert.deepEqual([taken.filter(Boolean).length, claims.size], [2, 2]);
  });

  it('stay if they came after the question, and are gone with their worker', () => {
    const claims = new Claims();
    claims.add(claim('w1', 'old', 1));
    claims.add(claim('w1', 'new', 3));
    assert.deepEqual(claims.settle('job00000001', null, 2), []);
    assert.ok(claims.has('job00000001'));
    claims.left('w1');
    assert.deepEqual([claims.size, claims.bytes], [0, 0]);
  });
});
