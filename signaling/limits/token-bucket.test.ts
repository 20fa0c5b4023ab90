import assert from 'node:assert/strict';
import fc from 'fast-check';
import { TokenBucket } from './token-bucket.ts';

describe('TokenBucket', () => {
  it('never lets more through than the burst and the rate allow, whatever the times of the requests', () => {
    const asks = fc.array(fc.record({ after: fc.nat(2000), amount: fc.integer({ min: 1, max: 5 }) }));
    fc.assert(
      fc.property(asks, (requests) => {
        let now = 0;
        let taken = 0;
        const bucket = new TokenBucket({ burst: 10, perSecond: 3, now: () => now });
        for (const { after, amount } of requests) {
          now += after;
          if (bucket.take(amount)) taken += amount;
          assert.ok(taken <= 10 + (now / 1000) * 3 + 1e-6);
        }
      }),
    );
  });

  it('lets a steady sender at the rate through forever', () => {
    let now = 0;
    const bucket = new TokenBucket({ burst: 5, perSecond: 10, now: () => now });
    for (let i = 0; i < 1000; i++) {
      now += 100.001;
      assert.equal(bucket.take(1), true);
    }
  });
});
