import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { ConnectionPurpose } from '../../protocol/wire/signaling.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import { enginePairings } from '../testing/engine-pairings.ts';
import { join } from '../testing/join.ts';
import { Owned } from '../testing/owned.ts';
import { TestSignaling } from '../testing/test-signaling.ts';
import { acceptPeers } from './accept-peers.ts';
import { connectPeer } from './connect-peer.ts';
import type { DataChannel, PeerConnection } from './connection.ts';

const purpose: ConnectionPurpose = { job_id: 'job00001', kind: 'dataset' };

for (const { name, offerer, answerer } of await enginePairings()) {
  describe(`a peer connection, ${name}`, () => {
    const owned = new Owned();
    let signaling: TestSignaling;
    let worker: SignalingClient;
    let client: SignalingClient;

    beforeEach(async () => {
      signaling = owned.add(await TestSignaling.start());
      worker = owned.add(await join(signaling.url, 'worker-1', { webRtc: offerer }));
      client = owned.add(await join(signaling.url, 'client-1', { webRtc: answerer }));
    });

    afterEach(owned.end);

    it('is made quickly, has its purpose, and carries text and binary messages both ways', async () => {
      const accepted = Promise.withResolvers<PeerConnection>();
      const done = Promise.withResolvers<void>();
      owned.add(
        acceptPeers(client, async (connection) => {
          accepted.resolve(connection);
          const channel = await connection.acceptChannel();
          for await (const message of channel.messages) await channel.send(message);
          done.resolve();
        }),
      );
      const startedAt = performance.now();
      const connection = owned.add(await connectPeer(worker, { peerId: 'client-1', purpose }));
      const tookMs = performance.now() - startedAt;
      assert.ok(tookMs < 2_000, `connecting took ${tookMs} ms`);
      const remote = await accepted.promise;
      assert.deepEqual([remote.remotePeerId, remote.purpose], ['worker-1', purpose]);
      assert.deepEqual([connection.route, remote.route], ['direct', 'direct']);

      const channel = await connection.openChannel('dataset');
      const large = Buffer.alloc(64 * 1024, 7);
      await channel.send('hello');
      await channel.send(large);
      assert.deepEqual(await take(channel, 2), ['hello', large]);
      await channel.close();
      await done.promise;
      await connection.close();
      await remote.closed;
    });

    it('delivers everything that was sent before a close', async () => {
      const received: number[] = [];
      const served = Promise.withResolvers<void>();
      owned.add(
        acceptPeers(client, async (connection) => {
          const channel = await connection.acceptChannel();
          for await (const message of channel.messages) received.push(message.length);
          served.resolve();
        }),
      );
      const connection = owned.add(await connectPeer(worker, { peerId: 'client-1', purpose }));
      const channel = await connection.openChannel('dataset');
      for (let i = 0; i < 100; i += 1) await channel.send(Buffer.alloc(60_000, i));
      await connection.close();
      await served.promise;
      assert.equal(received.length, 100);
      await assert.rejects(channel.send('late'), { code: 'PEER_GONE' });
    });

    it('makes a fast sender wait', async () => {
      const release = Promise.withResolvers<void>();
      owned.add(
        acceptPeers(client, async (connection) => {
          await connection.acceptChannel();
          await release.promise;
        }),
      );
      const connection = owned.add(await connectPeer(worker, { peerId: 'client-1', purpose }));
      const channel = await connection.openChannel('dataset');
      const abort = new AbortController();
      const sends = Array.from({ length: 40 }, () => channel.send(Buffer.alloc(60_000), { signal: abort.signal }));
      const first = await Promise.race([sends[0], sends.at(-1)?.then(() => 'last')]);
      assert.notEqual(first, 'last');
      await Promise.all(sends);
      release.resolve();
    });

    it('fails at once if the peer is not in the room', async () => {
      await assert.rejects(connectPeer(worker, { peerId: 'client-2', purpose }), { code: 'PEER_UNKNOWN' });
    });

    it('fails after three attempts, each with its own id', async () => {
      const offers = new Set<string>();
      signaling.intercept = (message) => {
        if (message.type === 'offer') offers.add(message.connection_id);
        return message.type === 'offer' ? undefined : message;
      };
      await assert.rejects(connectPeer(worker, { peerId: 'client-1', purpose, attemptTimeoutMs: 100 }), {
        code: 'PEER_UNREACHABLE',
      });
      assert.equal(offers.size, 3);
    });

    it('is made in a second attempt if the first answer was lost', async () => {
      let answers = 0;
      signaling.intercept = (message) => {
        if (message.type !== 'answer') return message;
        answers += 1;
        return answers === 1 ? undefined : message;
      };
      owned.add(acceptPeers(client, (connection) => connection.closed));
      const connection = owned.add(await connectPeer(worker, { peerId: 'client-1', purpose, attemptTimeoutMs: 3_000 }));
      assert.equal(connection.remotePeerId, 'client-1');
      assert.equal(answers, 2);
    });

    it('is made in a first attempt with a peer that hides its addresses, as browsers do', async () => {
      let hidden = 0;
      let offers = 0;
      signaling.intercept = (message) => {
        if (message.type === 'offer') offers += 1;
        if (message.type !== 'candidate' || message.sender !== 'worker-1' || message.candidate === null) return message;
        hidden += 1;
        const candidate = message.candidate.candidate.replace(/^((\S+ ){4})\S+/, `$1${randomUUID()}.local`);
        return { ...message, candidate: { ...message.candidate, candidate } };
      };
      owned.add(acceptPeers(client, (connection) => connection.closed));
      owned.add(await connectPeer(worker, { peerId: 'client-1', purpose }));
      assert.ok(hidden > 0);
      assert.equal(offers, 1);
    });

    it('refuses an answer with another certificate than the first', async () => {
      const refused = Promise.withResolvers<void>();
      signaling.intercept = (message) => {
        if (message.type !== 'answer') return message;
        const forged = {
          ...message,
          sdp: message.sdp.replace(/(a=fingerprint:\S+ )[0-9A-F:]+/g, `$1${'AA:'.repeat(31)}AA`),
        };
        signaling.sendTo('worker-1', message);
        refused.resolve();
        return forged;
      };
      owned.add(acceptPeers(client, (connection) => connection.closed));
      // The second, forged answer must not be accepted: the attempt fails instead.
      await assert.rejects(connectPeer(worker, { peerId: 'client-1', purpose, attemptTimeoutMs: 3_000 }), {
        code: 'PEER_UNREACHABLE',
      });
      await refused.promise;
    });

    it('ends if it is aborted while connecting', async () => {
      signaling.intercept = (message) => (message.type === 'offer' ? undefined : message);
      const abort = new AbortController();
      const connecting = connectPeer(worker, { peerId: 'client-1', purpose, signal: abort.signal });
      abort.abort(new SleapRtcError('INTERRUPTED', 'Stopped.'));
      await assert.rejects(connecting, { code: 'INTERRUPTED' });
    });

    it('asks who may connect', async () => {
      const asked: string[] = [];
      owned.add(
        acceptPeers(client, (connection) => connection.closed, {
          accept: ({ sender }) => {
            asked.push(sender);
            return false;
          },
        }),
      );
      await assert.rejects(connectPeer(worker, { peerId: 'client-1', purpose, attemptTimeoutMs: 100 }), {
        code: 'PEER_UNREACHABLE',
      });
      assert.deepEqual(asked, ['worker-1', 'worker-1', 'worker-1']);
    });
  });
}

async function take(channel: DataChannel, count: number): Promise<(string | Uint8Array)[]> {
  const taken: (string | Uint8Array)[] = [];
  for await (const message of channel.messages) {
    taken.push(message);
    if (taken.length === count) break;
  }
  return taken;
}
