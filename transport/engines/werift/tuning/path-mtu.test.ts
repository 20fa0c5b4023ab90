import assert from 'node:assert/strict';
import { VirtualClock } from '../../../testing/simulated-path.ts';
import { discoverPathMtu, interfaceMtu, type ProbedAssociation } from './path-mtu.ts';

/** Of IPv4, UDP, DTLS and an SCTP packet with one chunk of data. */
const OVERHEAD_BYTES = 20 + 8 + 37 + 28;

describe('the discovery of how large packets may be', () => {
  let clock: VirtualClock;
  let carriesBytes: number;
  let probed: number[];
  let wasCut: boolean;
  let association: ProbedAssociation;

  before(function () {
    // Elsewhere nothing is tried.
    if (process.platform !== 'linux') this.skip();
  });

  beforeEach(() => {
    clock = new VirtualClock();
    probed = [];
    wasCut = false;
    association = {
      payloadBytes: 1_160,
      onTimeout: () => undefined,
      probe(sctpBytes) {
        probed.push(sctpBytes);
        const answered = sctpBytes <= carriesBytes ? Promise.resolve() : new Promise<void>(() => undefined);
        return { answered, forget: () => undefined };
      },
      cutOff: () => {
        wasCut = true;
      },
    };
  });

  /** To `host`, which is reached over the loopback, whose packets are large. */
  async function discover(host: string, limitBytes = 65_535): Promise<void> {
    const over = discoverPathMtu(association, { localHost: '127.0.0.1', remoteHost: host, limitBytes }, clock);
    let isOver = false;
    void over.then(() => {
      isOver = true;
    });
    while (!isOver) await pass(100);
  }

  /** Lets made-up time go on. */
  async function pass(ms: number): Promise<void> {
    let isOver = false;
    clock.after(ms, () => {
      isOver = true;
    });
    clock.run(() => isOver, clock.nowMs() + ms);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  }

  it('ends at the largest size of which a probe came back, after three of each larger one', async () => {
    carriesBytes = 1_500 - 20 - 8 - 37;
    await discover('127.0.0.1');
    assert.equal(association.payloadBytes, 1_404);
    assert.equal(probed.length, 1 + 3);
    carriesBytes = 65_535;
    await discover('127.0.0.1');
    // As much as a DTLS record holds.
    assert.equal(association.payloadBytes, 16_384 - 28);
  });

  it('never tries what the interface, the peer or the user excludes', async () => {
    carriesBytes = 65_535;
    await discover('127.0.0.1', 1_500);
    assert.ok(probed.every((bytes) => bytes + OVERHEAD_BYTES - 28 <= 1_500));
    await discover('127.0.0.1', 1_280);
    assert.equal(association.payloadBytes, 1_404);
    assert.equal(interfaceMtu('203.0.113.77', '203.0.113.78'), undefined);
  });

  it('cuts a connection whose large packets vanish while small ones pass, and keeps the next one to that host small', async () => {
    carriesBytes = 65_535;
    await discover('::1');
    const raised = association.payloadBytes;
    assert.ok(raised > 1_160);
    carriesBytes = 1_200;
    association.onTimeout(3);
    await pass(1);
    await pass(1_000);
    assert.ok(wasCut);
    association.payloadBytes = 1_160;
    carriesBytes = 65_535;
    await discover('::1');
    assert.equal(association.payloadBytes, 1_160);
  });

  it('does not take an interruption for that', async () => {
    carriesBytes = 65_535;
    await discover('127.0.0.1');
    association.onTimeout(3);
    await pass(1);
    // The data comes back with the probe.
    association.onTimeout(0);
    await pass(1_000);
    assert.equal(wasCut, false);
  });
});
