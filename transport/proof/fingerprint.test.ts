import assert from 'node:assert/strict';
import { FingerprintPin } from './fingerprint.ts';

describe('the fingerprint pin', () => {
  const print = (byte: string) => Array(32).fill(byte).join(':');
  const sdp = (...prints: string[]) => prints.map((value) => `a=fingerprint:sha-256 ${value}\r\n`).join('');
  const refused = { code: 'PEER_UNREACHABLE' };

  it('accepts the first certificate, also later, and no other', () => {
    const pin = new FingerprintPin();
    pin.check(sdp(print('AB')));
    pin.check(sdp(print('ab'), print('AB')));
    assert.equal(pin.pinned, `sha-256 ${print('ab')}`);
    assert.throws(() => pin.check(sdp(print('AC'))), refused);
    assert.throws(() => pin.check(sdp(print('AB'), print('AC'))), refused);
    assert.throws(() => new FingerprintPin().check('v=0\r\n'), refused);
  });

  it('refuses what another parser might read as another certificate', () => {
    const good = sdp(print('AB'));
    for (const hidden of [
      `a=fingerprint:sha-256  ${print('AC')}\r\n`,
      ` a=fingerprint:sha-256 ${print('AC')}\r\n`,
      `a=fingerprint:sha-256 ${print('AC')} x\r\n`,
      `a=x\ra=fingerprint:sha-256 ${print('AC')}\r\n`,
      `a=x\u2028a=fingerprint:sha-256 ${print('AC')}\r\n`,
      `a=Fingerprint:sha-512 ${print('AC')}\r\n`,
      'a=fingerprint:sha-1 AC\r\n',
      'a=fingerprint\r\n',
    ]) {
      assert.throws(() => new FingerprintPin().check(good + hidden), refused, JSON.stringify(hidden));
      assert.throws(() => new FingerprintPin().check(hidden + good), refused, JSON.stringify(hidden));
      assert.throws(() => new FingerprintPin().check(hidden), refused, JSON.stringify(hidden));
    }
  });
});
