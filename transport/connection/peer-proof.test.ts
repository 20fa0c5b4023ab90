import assert from 'node:assert/strict';
import type { ConnectionPurpose, ServerMessage } from '../../protocol/wire/signaling.ts';
import { type ProofTranscript, proofOf } from '../proof/peer-proof.ts';
import { PROOF_TIMEOUT_MS } from '../proof/proof-exchange.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import { join, TEST_ROOM_KEY } from '../testing/join.ts';
import { ManInTheMiddle } from '../testing/man-in-the-middle.ts';
import { Owned } from '../testing/owned.ts';
import { TestSignaling } from '../testing/test-signaling.ts';
import { acceptPeers } from './accept-peers.ts';
import { connectPeer } from './connect-peer.ts';
import { PEER_SILENCE_TIMEOUT_MS } from './limits.ts';

const purpose: ConnectionPurpose = { job_id: 'job00001', kind: 'dataset' };
const OTHER_KEY = Buffer.alloc(32, 'another key').toString('base64url');
const NOT_PROVEN = { code: 'PEER_NOT_PROVEN', exitCode: 4, retryable: false, message: /the same room key/ };

describe('peers', () => {
  const owned = new Owned();
  let signaling: TestSignaling;
  let worker: SignalingClient;
  let client: SignalingClient;
  /** Connections that the client's handler got. Each would be served. */
  let served: number;
  /** The errors with which the client refused a peer. */
  let refused: PromiseWithResolvers<Error>;

  beforeEach(async () => {
    signaling = owned.add(await TestSignaling.start());
    worker = owned.add(await join(signaling.url, 'worker-1'));
    client = owned.add(await join(signaling.url, 'client-1'));
    served = 0;
    refused = Promise.withResolvers();
  });
  afterEach(owned.end);

  function accept(): void {
    const handler = async () => {
      served += 1;
    };
    owned.add(acceptPeers(client, handler, { onNotProven: refused.resolve }));
  }

  /** How every attack must end on the worker's side: with the named error, without a second attempt, and nobody served. */
  async function assertRefused(within: number = PEER_SILENCE_TIMEOUT_MS): Promise<void> {
    const startedAt = performance.now();
    await assert.rejects(connectPeer(worker, { peerId: 'client-1', purpose }), NOT_PROVEN);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < within, `it took ${tookMs} ms`);
    assert.equal(served, 0);
  }

  async function assertBothRefuse(): Promise<void> {
    accept();
    await assertRefused();
    const error = await refused.promise;
    assert.throws(() => {
      throw error;
    }, NOT_PROVEN);
  }

  it('with the same key connect without noticeable delay', async () => {
    accept();
    const timesMs: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      const startedAt = performance.now();
      owned.add(await connectPeer(worker, { peerId: 'client-1', purpose }));
      timesMs.push(performance.now() - startedAt);
    }
    assert.ok(Math.min(...timesMs) < 350, `connecting took ${timesMs} ms`);
  });

  it('with different keys refuse each other', async () => {
    await worker.close();
    worker = owned.add(await join(signaling.url, 'worker-1', { roomKey: OTHER_KEY }));
    await assertBothRefuse();
  });

  it('without a key cannot connect', async () => {
    const keyless = owned.add(await join(signaling.url, 'worker-2', { roomKey: undefined }));
    assert.throws(() => acceptPeers(keyless, () => Promise.resolve()), { code: 'PEER_NOT_PROVEN' });
    accept();
    await assert.rejects(connectPeer(keyless, { peerId: 'client-1', purpose }), { code: 'PEER_NOT_PROVEN' });
  });

  it('notice a server that stands between them with its own certificates', async () => {
    const attacker = owned.add(await ManInTheMiddle.on(signaling));
    await assertBothRefuse();
    const proofs = attacker.received.filter(({ message }) => String(message).startsWith('proof '));
    assert.deepEqual(new Set(proofs.map(({ from }) => from)), new Set(['worker-1', 'client-1']));
    assert.deepEqual(attacker.opened, []);
  });

  for (const type of ['offer', 'answer']) {
    it(`do not connect if a server swaps the fingerprint in the ${type} and has no such certificate`, async () => {
      let swaps = 0;
      signaling.intercept = (message) => {
        if (message.type !== type || !('sdp' in message)) return message;
        swaps += 1;
        const sdp = message.sdp.replace(/(a=fingerprint:sha-256 )\S+/g, `$1${Array(32).fill('AA').join(':')}`);
        return { ...message, sdp };
      };
      accept();
      const connecting = connectPeer(worker, { peerId: 'client-1', purpose, attemptTimeoutMs: 1_000 });
      await assert.rejects(connecting, { code: 'PEER_UNREACHABLE' });
      assert.ok(swaps > 0);
      assert.equal(served, 0);
    });
  }

  it('notice a proof of an earlier connection', async () => {
    const first = owned.add(await ManInTheMiddle.on(signaling));
    await assertBothRefuse();
    const earlier = (kind: string) =>
      first.received.filter(({ from, message }) => from === 'client-1' && String(message).startsWith(kind)).map(text);
    const [nonces, proofs] = [earlier('nonce '), earlier('proof ')];
    assert.deepEqual([nonces.length, proofs.length], [1, 1]);

    const second = owned.add(await ManInTheMiddle.on(signaling));
    second.answerWorker = (message) => (String(message).startsWith('nonce') ? [...nonces, ...proofs, 'proven'] : []);
    await assertRefused();
    assert.deepEqual(second.opened, []);
  });

  it('notice their own messages coming back', async () => {
    const attacker = owned.add(await ManInTheMiddle.on(signaling));
    attacker.answerWorker = (message) => [message];
    accept();
    await assertRefused();
    assert.deepEqual(attacker.opened, []);
  });

  it('do not wait forever for a proof', async () => {
    const attacker = owned.add(await ManInTheMiddle.on(signaling));
    attacker.answerWorker = (message) => (message === 'beat' ? ['beat'] : []);
    accept();
    await assertRefused(PROOF_TIMEOUT_MS + 2_000);
  });

  it('accept no channel before the proof', async () => {
    const attacker = owned.add(await ManInTheMiddle.on(signaling));
    attacker.answerWorker = (message) => {
      if (String(message).startsWith('nonce')) attacker.openChannelTo('worker-1');
      return message === 'beat' ? ['beat'] : [];
    };
    await assertRefused();
  });

  it('notice a server that lies about what the connection is for', async () => {
    signaling.intercept = (message: ServerMessage) =>
      message.type === 'offer' ? { ...message, purpose: { ...purpose, kind: 'results' } } : message;
    await assertBothRefuse();
  });
});

describe('a proof', () => {
  const transcript: ProofTranscript = {
    connectionId: 'connection-1',
    purpose,
    peerIds: { offerer: 'worker-1', answerer: 'client-1' },
    fingerprints: {
      offerer: `sha-256 ${Array(32).fill('0a').join(':')}`,
      answerer: `sha-256 ${Array(32).fill('1b').join(':')}`,
    },
    nonces: { offerer: 'o'.repeat(43), answerer: 'a'.repeat(43) },
  };

  it('is the one of PROTOCOL.md, so that another implementation can be checked against it', () => {
    assert.equal(proofOf(TEST_ROOM_KEY, 'offerer', transcript), 'oDgxUHLrLDdWYdV9713ujT9EYXj1pg58ourprlGFR_c');
  });

  it('differs if anything differs that it depends on', () => {
    const swap = <Value>({ offerer, answerer }: { offerer: Value; answerer: Value }) => ({
      offerer: answerer,
      answerer: offerer,
    });
    const all = [
      proofOf(TEST_ROOM_KEY, 'offerer', transcript),
      proofOf(TEST_ROOM_KEY, 'answerer', transcript),
      proofOf(OTHER_KEY, 'offerer', transcript),
      ...[
        { connectionId: 'connection-2' },
        { purpose: { ...purpose, job_id: 'job00002' } },
        { purpose: { ...purpose, kind: 'results' as const } },
        { peerIds: swap(transcript.peerIds) },
        { fingerprints: swap(transcript.fingerprints) },
        { nonces: swap(transcript.nonces) },
      ].map((change) => proofOf(TEST_ROOM_KEY, 'offerer', { ...transcript, ...change })),
    ];
    assert.equal(new Set(all).size, all.length);
  });
});

function text({ message }: { message: string | Uint8Array }): string {
  return String(message);
}
