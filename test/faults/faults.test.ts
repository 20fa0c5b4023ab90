import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { FaultRoom } from './fault-room.ts';
import { FAULTS, type Fault, UNAVAILABLE_MS } from './faults.ts';
import { nothingPublished, predicted, publishedOnce, stateBefore } from './outcome.ts';
import { type Recovery, recoveryTable } from './report.ts';
import type { WatchedJob } from './watched-job.ts';

/** Noise behind the labels, in bytes: enough for a long transfer, and enough that no worker has the labels yet. */
const LARGE_BYTES = 120_000_000;
const NEW_BYTES = 1_000_000;
/** Frames of an inference job, which take some seconds. */
const FRAMES = 300;
/** Longest training that a fault may cost if it is more than one epoch, in ms. */
const MAX_LOST_MS = 120_000;

/** `npm test` has time for some faults only. */
const rows = process.env.SLEAP_RTC_FAULTS === 'all' ? FAULTS : FAULTS.filter(({ quick }) => quick);

/** The job of the current test, to show how far it came if the test fails. */
let underWay: WatchedJob | undefined;

describe('a job survives', function () {
  this.timeout(300_000 + UNAVAILABLE_MS);
  this.slow(60_000);
  let at: FaultRoom;
  const recoveries: Recovery[] = [];

  before(async () => {
    at = await FaultRoom.start(['worker-1', 'worker-2']);
  });
  after(async () => {
    if (recoveries.length > 0) process.stdout.write(`\n${recoveryTable(recoveries)}\n`);
    await at?.stop();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') {
      const last = underWay?.events.slice(-3).map(({ message }) => JSON.stringify(message));
      process.stdout.write(`${underWay?.command.shown()}${last?.join('\n')}\n`);
      await at.abandon();
    }
    await at.heal();
  });

  for (const row of rows) {
    it(`${row.fault}; ${row.at.phase}`, async function () {
      const reason = await row.unless?.();
      if (reason !== undefined) {
        process.stdout.write(`    left out: ${reason}\n`);
        this.skip();
      }
      recoveries.push(await undergo(at, row));
    });
  }
});

function outcomeOf(row: Fault, { acknowledgedMs }: WatchedJob): string {
  const ended = row.infers ? 'predicted once' : (row.ends ?? 'published once');
  return acknowledgedMs === undefined ? ended : `${ended}, reported after ${(acknowledgedMs / 1000).toFixed(1)} s`;
}

/** Runs a job up to the fault, injects it, and waits for the end of the job. */
async function undergo(at: FaultRoom, row: Fault): Promise<Recovery> {
  const before = await stateBefore(at);
  const output = await mkdtemp(join(at.room.folder, 'out-'));
  const moment = row.at.arm(at);
  const prepared = await row.prepare?.(at);
  const { args = [] } = prepared ?? {};
  const noise = row.at.large ? LARGE_BYTES : row.newData ? NEW_BYTES : 0;
  const to = prepared?.output ?? output;
  const job = row.infers ? await at.infer({ output: to, frames: FRAMES }) : await at.train({ output: to, noise, args });
  underWay = job;
  try {
    await moment.reached(job);
    const id = await job.id;
    const injectedMs = performance.now();
    const { worker } = job;
    if (row.at.trains) await at.remember(worker ?? '');
    await row.inject(at, job, () => moment.release());
    moment.release();
    const gone = at.hasEnded(worker ?? '') ? worker : undefined;

    if (row.afterwards !== undefined) await row.afterwards(at, job, output);
    else {
      const ended = await job.command;
      assert.equal(ended.exitCode, 0, ended.stdout + ended.stderr);
    }
    const endedMs = performance.now();
    if (row.infers) await predicted(at, before, id, output, FRAMES);
    else if (row.ends === undefined) await publishedOnce(at, before, id, [output]);
    else await nothingPublished(at, before, id, { phase: row.ends }, [output]);
    const { epochs, ms } = job.lost;
    assert.ok(epochs <= 1 || ms <= MAX_LOST_MS, `${epochs} epochs of ${ms} ms were trained again`);
    return {
      fault: row.fault,
      phase: row.at.phase,
      recoverMs: row.ends === undefined ? (job.continuedAfterMs(injectedMs, gone) ?? endedMs - injectedMs) : undefined,
      epochsLost: epochs,
      lostMs: ms,
      outcome: outcomeOf(row, job),
    };
  } finally {
    moment.release();
    job.command.kill();
    job.stop();
    await prepared?.undo();
  }
}
