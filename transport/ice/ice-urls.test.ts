import assert from 'node:assert/strict';
import { parseIceUrl, relayTransports } from './ice-urls.ts';

describe('a URL of a STUN or TURN server', () => {
  it('is parsed as its RFC says', () => {
    assert.deepEqual(parseIceUrl('stun:stun.example.org'), {
      scheme: 'stun',
      host: 'stun.example.org',
      port: 3478,
      transport: 'udp',
    });
    assert.deepEqual(parseIceUrl('turn:10.0.0.1:99?transport=tcp'), {
      scheme: 'turn',
      host: '10.0.0.1',
      port: 99,
      transport: 'tcp',
    });
    assert.deepEqual(parseIceUrl('turns:[2001:db8::1]?transport=tcp'), {
      scheme: 'turns',
      host: '2001:db8::1',
      port: 5349,
      transport: 'tls',
    });
    for (const url of ['', 'http://example.org', 'turn:', 'turn:a:b', 'turn:host?transport=sctp']) {
      assert.equal(parseIceUrl(url), undefined, url);
    }
  });

  it('shows whether relays can be reached over UDP', () => {
    assert.deepEqual(relayTransports([{ urls: ['stun:a', 'turn:a'] }]), { udp: true, other: false });
    assert.deepEqual(relayTransports([{ urls: ['stun:a'] }, { urls: ['turn:a?transport=tcp'] }]), {
      udp: false,
      other: true,
    });
    assert.deepEqual(relayTransports([]), { udp: false, other: false });
  });
});
