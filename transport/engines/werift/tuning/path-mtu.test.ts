import assert from 'node:assert/strict';
import { VirtualClock } from '../../../testing/simulated-path.ts';
import { discoverPathMtu, interfaceMtu, type ProbedAssociation } from './path-mtu.ts';

/** Bytes of IPv4, UDP, DTLS and an SCTP packet with one chunk, besides its data. */
const OVERHEAD_BYTES = 20 + 8 + 37 + 28;

describe('path MTU discovery', () => {
  let clock: VirtualClock;
  let carriesBytes: number;
  let probed: number[];
  let wasCut: boolean;
  let association: ProbedAssociation;

  before(function () {
    // On other systems nothing is tried.
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

  /** Ends of a path to `host` over the loopback interface, whose packets are large. */
  async function discover(host: string, limitBytes = 65_535): Promise<void> {
    const over = discoverPathMtu(association, { localHost: '127.0.0.1', remoteHost: host, limitBytes }, clock);
    let isOver = false;
    void over.then(() => {
      isOver = true;
    });
    while (!isOver) await pass(100);
  }

  /** Advances the simulated time. */
  async function pass(ms: number): Promise<void> {
    let isOver = false;
    clock.after(ms, () => {
      isOver = true;
    });
    clock.run(() => isOver, clock.nowMs() + ms);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  }

  it('ends at the largest size whose probe came back, after three probes of the next size', async () => {
    carriesBytes = 1_500 - 20 - 8 - 37;
    await discover('127.0.0.1');
    assert.equal(association.payloadBytes, 1_404);
    assert.equal(probed.length, 1 + 3);
    carriesBytes = 65_535;
    await discover('127.0.0.1');
    // The size of a full DTLS record.
    assert.equal(association.payloadBytes, 16_384 - 28);
  });

  it('never tries a size that the interface, the peer or the user excludes', async () => {
    carriesBytes = 65_535;
    await discover('127.0.0.1', 1_500);
    assert.ok(probed.every((bytes) => bytes + OVERHEAD_BYTES - 28 <= 1_500));
    await discover('127.0.0.1', 1_280);
    assert.equal(association.payloadBytes, 1_404);
    assert.equal(interfaceMtu('203.0.113.77', '203.0.113.78'), undefined);
  });

  it('cuts a connection whose large packets are lost while small ones arrive, and uses small ones for that host next time', async () => {
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

  it('does not cut a connection that is only interrupted', async () => {
    carriesBytes = 65_535;
    await discover('127.0.0.1');
    association.onTimeout(3);
    await pass(1);
    // Data arrives again together with the probe.
    association.onTimeout(0);
    await pass(1_000);
    assert.equal(wasCut, false);
  });
});
