import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { ConnectionPurpose } from '../../protocol/wire/signaling.ts';
import { enginePairings } from '../testing/engine-pairings.ts';
import { join } from '../testing/join.ts';
import { Owned } from '../testing/owned.ts';
import { TestSignaling } from '../testing/test-signaling.ts';
import { acceptPeers } from './accept-peers.ts';
import { connectPeer } from './connect-peer.ts';
import { MAX_ACCEPTED_PEERS } from './limits.ts';

const purpose: ConnectionPurpose = { job_id: 'job00001', kind: 'dataset' };

/** Ways to make a line of a description wrong. */
const damage = fc.constantFrom<(line: string) => string>(
  () => '',
  (line) => `${line}\r\n${line}`,
  (line) => line.slice(0, line.length >> 1),
  (line) => line.replace(/\d+/g, '99999999999999999999'),
  (line) => line.replace(/[:=]/g, ' '),
  (line) => `${line}${'x'.repeat(5_000)}`,
  (line) => line.replace(/\w+$/, '%n\u0000é'),
);
const changes = fc.array(fc.tuple(fc.nat({ max: 30 }), damage), { minLength: 1, maxLength: 4 });
const candidates = [
  'candidate:1 1 udp 1 999.999.999.999 99999 typ host',
  'candidate:1 1 udp 99999999999999999999 127.0.0.1 9 typ host',
  'candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active',
  'candidate:',
  'candidate:1 1 udp',
  'x'.repeat(2_000),
  'candidate:1 1 udp 1 \u0000 9 typ relay raddr rport',
];

for (const { offerer, answerer, name } of await enginePairings()) {
  if (offerer !== answerer) continue;
  describe(`${name}, with invalid messages from a peer or the server`, () => {
    const owned = new Owned();
    afterEach(owned.end);

    it('still serves an honest peer', async () => {
      const signaling = owned.add(await TestSignaling.start());
      const worker = owned.add(await join(signaling.url, 'worker-1', { webRtc: offerer }));
      const client = owned.add(await join(signaling.url, 'client-1', { webRtc: answerer }));
      owned.add(acceptPeers(client, (connection) => connection.closed));
      let sdp = '';
      signaling.intercept = (message) => {
        if (message.type === 'offer') sdp = message.sdp;
        return message;
      };
      await (await connectPeer(worker, { peerId: 'client-1', purpose })).close();
      signaling.intercept = (message) => message;
      for (const list of fc.sample(changes, MAX_ACCEPTED_PEERS - 2)) {
        const lines = sdp.split('\r\n');
        for (const [at, change] of list) lines[at % lines.length] = change(lines[at % lines.length] ?? '');
        const connection_id = randomBytes(12).toString('base64url');
        const target = 'client-1';
        await worker.relay({ type: 'offer', target, connection_id, purpose, sdp: lines.join('\r\n') || 'x' });
        for (const candidate of candidates) {
          const nonsense = { candidate, sdpMid: '0', sdpMLineIndex: 0 };
          await worker.relay({ type: 'candidate', target, connection_id, candidate: nonsense });
        }
      }
      const connection = owned.add(await connectPeer(worker, { peerId: 'client-1', purpose }));
      assert.equal(connection.remotePeerId, 'client-1');
    });
  });
}
