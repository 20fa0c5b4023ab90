import assert from 'node:assert/strict';
import { FingerprintPin } from './fingerprint.ts';

describe('the fingerprint pin', () => {
  const sdp = (...prints: string[]) => prints.map((print) => `a=fingerprint:sha-256 ${print}\r\n`).join('');

  it('takes the first certificate, again and again, and no other', () => {
    const pin = new FingerprintPin();
    pin.check(sdp('AA:BB'));
    pin.check(sdp('aa:bb', 'AA:BB'));
    assert.throws(() => pin.check(sdp('AA:CC')), { code: 'PEER_UNREACHABLE' });
    assert.throws(() => pin.check(sdp('AA:BB', 'AA:CC')), { code: 'PEER_UNREACHABLE' });
    assert.throws(() => new FingerprintPin().check('v=0\r\n'), { code: 'PEER_UNREACHABLE' });
  });
});
