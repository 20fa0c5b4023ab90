import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { iceRenewalMs, iceServersFor, TURN_LIFETIME_MS } from './ice-servers.ts';

const now = new Date('2026-01-01T00:00:00Z');

describe('ICE servers', () => {
  it('gives each user TURN credentials that coturn can check and that expire', () => {
    const [stun, turn] = iceServersFor(
      'user-1',
      { stunUrls: ['stun:a'], turnUrls: ['turn:a', 'turns:a'], turnSecret: 'secret' },
      now,
    );
    assert.deepEqual(stun, { urls: ['stun:a'] });
    assert.deepEqual(turn?.urls, ['turn:a', 'turns:a']);
    assert.equal(turn?.username, `${(now.getTime() + TURN_LIFETIME_MS) / 1000}:user-1`);
    assert.equal(
      turn?.credential,
      createHmac('sha1', 'secret')
        .update(turn?.username ?? '')
        .digest('base64'),
    );
  });

  it('names no server if none is configured', () => {
    assert.deepEqual(iceServersFor('user-1', { stunUrls: [], turnUrls: [], turnSecret: null }, now), []);
  });

  it('renews the credentials long before they expire, if there are any', () => {
    assert.equal(TURN_LIFETIME_MS, 60 * 60 * 1000);
    assert.equal(iceRenewalMs({ stunUrls: [], turnUrls: ['turn:a'], turnSecret: 'secret' }), TURN_LIFETIME_MS / 2);
    assert.equal(iceRenewalMs({ stunUrls: ['stun:a'], turnUrls: [], turnSecret: null }), undefined);
  });
});
