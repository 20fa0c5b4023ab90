import assert from 'node:assert/strict';
import fc from 'fast-check';
import { TEST_ROOM_KEY } from '../testing/join.ts';
import type { Side } from './peer-proof.ts';
import { ProofExchange } from './proof-exchange.ts';

const SIDES: readonly Side[] = ['offerer', 'answerer'];

/** One side of a connection, as whoever carries its messages sees it. */
interface Peer {
  exchange: ProofExchange;
  said: string[];
  outcome: 'proven' | 'refused' | undefined;
}

function startPeer(side: Side, fingerprints: Record<Side, string>): Peer {
  const said: string[] = [];
  const exchange = new ProofExchange({
    roomKey: TEST_ROOM_KEY,
    side,
    transcript: () => ({
      connectionId: 'connection-1',
      purpose: { job_id: 'job00001', kind: 'dataset' },
      peerIds: { offerer: 'worker-1', answerer: 'client-1' },
      fingerprints,
    }),
    send: (message) => said.push(message),
    onProven: () => {
      peer.outcome = 'proven';
    },
    onRefused: () => {
      peer.outcome = 'refused';
    },
  });
  const peer: Peer = { exchange, said, outcome: undefined };
  exchange.start();
  return peer;
}

/** Runs `carry` between two peers that have the same key. `mine` and `theirs` are what each sees as the fingerprints. */
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
    for (const side of SIDES) peers[side].exchange[Symbol.dispose]();
  }
}

const HONEST = { offerer: 'sha-256 0a', answerer: 'sha-256 1b' };
/** Each sees its own certificate, and in place of the other's one of somebody between them. */
const ATTACKED = {
  offerer: { ...HONEST, answerer: 'sha-256 ee' },
  answerer: { ...HONEST, offerer: 'sha-256 ee' },
};

describe('an exchange of proofs', () => {
  it('ends in trust where messages come as they were sent, whichever side is ahead', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.boolean()), (order) => {
        const peers = between({ offerer: HONEST, answerer: HONEST }, ({ offerer, answerer }) => {
          const heard = { offerer: 0, answerer: 0 };
          for (let step = 0; step < 100; step += 1) {
            const side = order.next().value === true ? 'offerer' : 'answerer';
            const [to, from] = side === 'offerer' ? [offerer, answerer] : [answerer, offerer];
            const next = from.said[heard[side]];
            if (next === undefined) continue;
            heard[side] += 1;
            to.exchange.hear(next);
          }
        });
        assert.deepEqual([peers.offerer.outcome, peers.answerer.outcome], ['proven', 'proven']);
      }),
    );
  });

  it('never ends in trust where somebody stands between, who has heard both and says what they like', () => {
    const act = fc.record({
      to: fc.constantFrom(...SIDES),
      // Something that was said, by either side, or something made up.
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
            const said = typeof what === 'object' && 'by' in what ? all[what.by].said[what.index] : what;
            if (said !== undefined) all[to].exchange.hear(said);
          }
        });
        for (const side of SIDES) assert.notEqual(peers[side].outcome, 'proven');
      }),
      { numRuns: 3_000 },
    );
  });
});
