import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebRtcChoice } from '../../transport/index.ts';
import { enginePairings } from '../../transport/testing/engine-pairings.ts';
import { Owned } from '../../transport/testing/owned.ts';
import { temporaryFolder } from '../../transport/testing/temporary-folder.ts';
import { startSignaling } from './servers.ts';
import { TransferProcess } from './transfer-process.ts';
import { whyNoPaths, withPath } from './with-path.ts';

const MEGABYTES = 40;
/** The path is cut when this much has arrived, in bytes: at 10 MB/s about a second after the start. */
const AMID_BYTES = 10e6;
/** Longest time in which the loss of the other side may go unnoticed, in ms. */
const NOTICE_MS = 5_000;

/** Either stack on both sides: each is sender and receiver once. */
const pairings = (await enginePairings()).filter(({ offerer, answerer }) => offerer === answerer);

/** The cases. They run all at once, each in a network of its own, since most of the time is waiting. */
const CUTS = [
  ...pairings.map(({ offerer }) => ({ cutMs: 10_000, webRtc: offerer })),
  { cutMs: 3_000, webRtc: 'auto' },
  { cutMs: 60_000, webRtc: 'auto' },
] as const;

/** The outcome of one case, in ms from the cut or from the network’s return. */
interface Outcome {
  noticed: number[];
  backMs: number;
  /** Bytes that went over the laptop’s link after the cut. */
  sentAgain: number;
}

describe('a transfer whose network fails and comes back', function () {
  this.timeout(180_000);
  const outcomes = new Map<(typeof CUTS)[number], Promise<Outcome>>();

  before(async function () {
    const reason = await whyNoPaths();
    if (reason !== undefined) {
      process.stderr.write(`left out: ${reason}\n`);
      this.skip();
    }
    for (const cut of CUTS) {
      const outcome = cutAmid(cut.cutMs, cut.webRtc);
      outcome.catch(() => undefined);
      outcomes.set(cut, outcome);
    }
  });
  after(() => Promise.allSettled(outcomes.values()));

  for (const cut of CUTS) {
    it(`continues by itself after ${cut.cutMs / 1000} s without a network, ${cut.webRtc} on both sides`, async () => {
      const outcome = await outcomes.get(cut);
      assert.ok(outcome !== undefined);
      const { noticed, backMs, sentAgain } = outcome;
      assert.ok(backMs < 40_000, `it took ${backMs} ms from the network’s return`);
      assert.ok(sentAgain < (MEGABYTES * 1e6 - AMID_BYTES) * 1.15, `${sentAgain} bytes were sent after the cut`);
      // A cut that is shorter than the tolerated silence may go unnoticed.
      if (cut.cutMs > NOTICE_MS) for (const ms of noticed) assert.ok(ms < NOTICE_MS, `it was noticed after ${ms} ms`);
    });
  }
});

/** Cuts the laptop off during its upload and connects it again. Checks the file, and returns the outcome. */
function cutAmid(cutMs: number, webRtc: WebRtcChoice): Promise<Outcome> {
  return withPath({ rttMs: 20, mbitPerSecond: 80 }, async ({ laptop, worker, server, network }) => {
    const owned = new Owned();
    try {
      const dir = owned.add(await temporaryFolder()).path;
      const signaling = owned.add(await startSignaling(server));
      const [from, to] = [join(dir, 'from'), join(dir, 'to')];
      await Promise.all([mkdir(from), mkdir(to)]);
      const content = randomBytes(MEGABYTES * 1e6);
      await writeFile(join(from, 'labels.slp'), content);
      const sender = owned.add(
        new TransferProcess(laptop, { role: 'send', serverUrl: signaling.url, folder: from, webRtc }),
      );
      await sender.until(({ ready }) => ready === true);
      const receiver = owned.add(
        new TransferProcess(worker, { role: 'receive-again', serverUrl: signaling.url, folder: to, webRtc }),
      );
      await receiver.until(({ progress }) => (progress?.bytes ?? 0) > AMID_BYTES);
      await network.cut('laptop');
      const cutAt = performance.now();
      const before = await network.stats();
      await delay(cutMs);
      const noticed = [sender, receiver].map(
        (side) => (side.reports.find(({ failed }) => failed !== undefined)?.atMs ?? Number.POSITIVE_INFINITY) - cutAt,
      );
      await network.restore('laptop');
      const done = await receiver.until(({ received }) => received === 1);
      const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');
      assert.equal(sha256(await readFile(join(to, 'labels.slp'))), sha256(content));
      const after = await network.stats();
      return {
        noticed,
        backMs: done.atMs - cutAt - cutMs,
        sentAgain: (after.laptop?.up.bytes ?? 0) - (before.laptop?.up.bytes ?? 0),
      };
    } finally {
      await owned.end();
    }
  });
}
