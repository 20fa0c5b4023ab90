import assert from 'node:assert/strict';
import fc from 'fast-check';
import { TEST_ROOM_KEY } from '../testing/join.ts';
import type { Side } from './peer-proof.ts';
import { ProofExchange } from './proof-exchange.ts';

const SIDES: readonly Side[] = ['offerer', 'answerer'];

/** One side of a connection, as seen by the carrier of its messages. */
interface Peer {
  exchange: ProofExchange;
  sent: string[];
  outcome: 'proven' | 'refused' | undefined;
}

function startPeer(side: Side, fingerprints: Record<Side, string>): Peer {
  const sent: string[] = [];
  const exchange = new ProofExchange({
    roomKey: TEST_ROOM_KEY,
    side,
    transcript: () => ({
      connectionId: 'connection-1',
      purpose: { job_id: 'job00001', kind: 'dataset' },
      peerIds: { offerer: 'worker-1', answerer: 'client-1' },
      fingerprints,
    }),
    send: (message) => sent.push(message),
    onProven: () => {
      peer.outcome = 'proven';
    },
    onRefused: () => {
      peer.outcome = 'refused';
    },
  });
  const peer: Peer = { exchange, sent, outcome: undefined };
  exchange.start();
  return peer;
}

/** Runs `carry` between two peers that have the same key. `mine` and `theirs` are the fingerprints that each sees. */
function between(
  fingerprints: Record<Side, Record<Side, string>>,
  carry: (peers: Record<Side, Peer>) => void,
): Record<Side, Peer> {
  const peers = {
    offerer: startPeer('offerer', fingerprints.offerer),
    answerer: startPeer('answerer', fingerprints.answerer),
  };
  try {
    carry(peers);
    return peers;
  } finally {
    for (const side of SIDES) peers[side].exchange.stop();
  }
}

const HONEST = { offerer: 'sha-256 0a', answerer: 'sha-256 1b' };
/** Each peer sees its own certificate, and instead of the other's one of somebody between them. */
const ATTACKED = {
  offerer: { ...HONEST, answerer: 'sha-256 ee' },
  answerer: { ...HONEST, offerer: 'sha-256 ee' },
};

describe('an exchange of proofs', () => {
  it('ends in trust if messages arrive as they were sent, whichever side is ahead', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.boolean()), (order) => {
        const peers = between({ offerer: HONEST, answerer: HONEST }, ({ offerer, answerer }) => {
          const delivered = { offerer: 0, answerer: 0 };
          for (let step = 0; step < 100; step += 1) {
            const side = order.next().value === true ? 'offerer' : 'answerer';
            const [to, from] = side === 'offerer' ? [offerer, answerer] : [answerer, offerer];
            const next = from.sent[delivered[side]];
            if (next === undefined) continue;
            delivered[side] += 1;
            to.exchange.receive(next);
          }
        });
        assert.deepEqual([peers.offerer.outcome, peers.answerer.outcome], ['proven', 'proven']);
      }),
    );
  });

  it('never ends in trust if somebody stands between, who has read both sides’ messages and sends anything', () => {
    const act = fc.record({
      to: fc.constantFrom(...SIDES),
      // A message that either side has sent, or an invented one.
      what: fc.oneof(
        fc.record({ by: fc.constantFrom(...SIDES), index: fc.nat({ max: 3 }) }),
        fc.constantFrom(
          'proven',
          'refused',
          `nonce 1 ${'x'.repeat(43)}`,
          `proof ${'x'.repeat(43)}`,
          'proof',
          'nonce 2 x',
        ),
        fc.string(),
        fc.uint8Array({ maxLength: 5 }),
      ),
    });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 12 }), (acts) => {
        const peers = between(ATTACKED, (all) => {
          for (const { to, what } of acts) {
            const sent = typeof what === 'object' && 'by' in what ? all[what.by].sent[what.index] : what;
            if (sent !== undefined) all[to].exchange.receive(sent);
          }
        });
        for (const side of SIDES) assert.notEqual(peers[side].outcome, 'proven');
      }),
      { numRuns: 3_000 },
    );
  });
});
