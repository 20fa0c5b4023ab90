import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type SimulatedPath, simulateTransfer } from '../../../../testing/simulated-path.ts';
import { tsnPlus } from './tsn.ts';

const LAN: SimulatedPath = { mbPerS: 50, roundTripMs: 2, loss: 0, queueBytes: 500_000 };
const LONG: SimulatedPath = { mbPerS: 50, roundTripMs: 20, loss: 0, queueBytes: 1_000_000 };

/** Messages that differ, of the given sizes in bytes. */
function messagesOf(sizes: readonly number[]): Buffer[] {
  return sizes.map((size, index) => Buffer.alloc(size, `${index} `));
}

function megabytes(count: number): Buffer[] {
  return messagesOf(new Array<number>(Math.ceil((count * 1e6) / 65_536)).fill(65_536));
}

describe('the data transfer of tuned werift', () => {
  it('delivers every message once, complete and in order, whatever the path loses, delays, or sends twice', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.integer(),
          loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
          reordered: fc.double({ min: 0, max: 0.3, noNaN: true }),
          duplicated: fc.double({ min: 0, max: 0.3, noNaN: true }),
          // In a third of them the TSNs wrap.
          firstTsn: fc.oneof(
            fc.integer({ min: 0, max: 2 ** 32 - 1 }),
            fc.integer({ min: 2 ** 32 - 60, max: 2 ** 32 - 1 }),
          ),
          payloadBytes: fc.constantFrom(1_160, 1_404, 15_972),
          queueBytes: fc.constantFrom(20_000, 200_000),
        }),
        fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 1, maxLength: 40 }),
        (path, sizes) => {
          const messages = messagesOf(sizes);
          const { received } = simulateTransfer({ ...LAN, ...path }, messages);
          assert.equal(received.length, messages.length);
          for (const [index, message] of messages.entries())
            assert.ok(received[index]?.equals(message), `message ${index}`);
        },
      ),
      { numRuns: 150, seed: 25 },
    );
  });

  it('goes on after a loss just where TSNs wrap, where plain werift hangs forever', () => {
    for (let lost = 1; lost <= 20; lost += 1) {
      const path = { ...LAN, firstTsn: tsnPlus(0, -10), alsoLost: (count: number) => count === lost };
      const { received, seconds } = simulateTransfer(path, messagesOf([65_536, 65_536]));
      assert.equal(received.length, 2);
      assert.ok(seconds < 0.1, `took ${seconds} s`);
    }
  });

  it('recovers a lost tail with a probe, not with a timeout of a second', () => {
    const lastTwo = { ...LONG, alsoLost: (count: number) => count === 9 || count === 10 };
    const { received, seconds } = simulateTransfer(lastTwo, messagesOf([10 * 1_160]));
    assert.equal(received.length, 1);
    assert.ok(seconds < 0.35, `took ${seconds} s`);
  });

  it('is not slow after a few small messages, which do not show what the path can carry', () => {
    const chats = fc.array(
      fc.record({
        bytes: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 25_000 })),
        pauseMs: fc.constantFrom(0, 1, 20, 500),
      }),
      { maxLength: 10 },
    );
    const paths = fc.record({
      mbPerS: fc.constantFrom(50, 500),
      roundTripMs: fc.constantFrom(0.2, 1, 5, 40),
      payloadBytes: fc.constantFrom(1_160, 15_972),
      // A busy host delays the acknowledgement of a single packet for a long time.
      sackDelayMs: fc.constantFrom(1, 100, 400),
    });
    const dataset = new Array<number>(8).fill(65_536);
    fc.assert(
      fc.property(paths, chats, (path, chat) => {
        let atMs = 0;
        const pauseEndsAtMs = chat.map(({ pauseMs }) => {
          atMs += pauseMs;
          return atMs;
        });
        const sizes = [...chat.map(({ bytes }) => bytes), ...dataset];
        const available = { availableAtMs: (index: number) => (index === 0 ? 0 : (pauseEndsAtMs[index - 1] ?? atMs)) };
        const { received, seconds } = simulateTransfer({ ...LAN, ...path, ...available }, messagesOf(sizes));
        assert.equal(received.length, sizes.length);
        assert.ok(seconds * 1_000 - atMs < path.sackDelayMs + 350, `took ${seconds * 1_000 - atMs} ms`);
      }),
      { numRuns: 3_000, seed: 4 },
    );
  });

  it('fills a long path, and has at most a round trip of packets in its queue', () => {
    const { mbPerS, worstQueueMs } = simulateTransfer(LONG, megabytes(64));
    assert.ok(mbPerS > 40, `${mbPerS} MB/s`);
    assert.ok(worstQueueMs < 30, `${worstQueueMs} ms`);
    const longer = simulateTransfer({ ...LONG, roundTripMs: 100 }, megabytes(64));
    assert.ok(longer.mbPerS > 20, `${longer.mbPerS} MB/s at 100 ms`);
    const shortQueue = simulateTransfer({ ...LONG, roundTripMs: 100, queueBytes: 200_000 }, megabytes(48));
    assert.ok(shortQueue.mbPerS > 15, `${shortQueue.mbPerS} MB/s at 100 ms with a short queue`);
  });

  it('loses little more speed to random loss than what was lost', () => {
    const { mbPerS, packetsSent } = simulateTransfer({ ...LONG, loss: 0.01 }, megabytes(64));
    assert.ok(mbPerS > 35, `${mbPerS} MB/s`);
    assert.ok(packetsSent < (64e6 / 1_160) * 1.08, `${packetsSent} packets`);
  });

  it('slows down if a tenth is lost, as on a path with too much traffic', () => {
    const { mbPerS } = simulateTransfer({ ...LONG, loss: 0.1 }, megabytes(8));
    assert.ok(mbPerS < 15, `${mbPerS} MB/s`);
  });

  it('does not overload a path with a short queue', () => {
    const { mbPerS, packetsSent } = simulateTransfer({ ...LONG, queueBytes: 100_000 }, megabytes(64));
    assert.ok(mbPerS > 25, `${mbPerS} MB/s`);
    assert.ok(packetsSent < (64e6 / 1_160) * 1.08, `${packetsSent} packets`);
  });
});
