import assert from 'node:assert/strict';
import { readDatagramLimit } from './datagram-limit.ts';

describe('SLEAP_RTC_DATAGRAM_BYTES', () => {
  it('limits packets to a size that every path carries, or more', () => {
    assert.equal(readDatagramLimit({ SLEAP_RTC_DATAGRAM_BYTES: '1500' }), 1_500);
    assert.equal(readDatagramLimit({}), 65_535);
    for (const wrong of ['1279', '65536', '1e9', 'small', '1500.5']) {
      assert.throws(() => readDatagramLimit({ SLEAP_RTC_DATAGRAM_BYTES: wrong }), { code: 'USAGE' });
    }
  });
});
