import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { FaultRoom } from './fault-room.ts';
import { AWAY_MS, FAULTS, type Fault } from './faults.ts';
import { lookBefore, nothingPublished, publishedOnce } from './outcome.ts';
import { type Recovery, recoveryTable } from './report.ts';

/** `npm test` has time for some faults only. */
const rows = process.env.SLEAP_RTC_FAULTS === 'all' ? FAULTS : FAULTS.filter(({ quick }) => quick);

describe('a job survives', function () {
  this.timeout(180_000 + AWAY_MS);
  this.slow(60_000);
  let at: FaultRoom;
  const recoveries: Recovery[] = [];

  before(async () => {
    at = await FaultRoom.start(['pod-1', 'pod-2']);
  });
  after(async () => {
    if (recoveries.length > 0) process.stdout.write(`\n${recoveryTable(recoveries)}\n`);
    await at?.stop();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await at.abandon();
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

/** Lets a job come to the fault, and through it. */
async function undergo(at: FaultRoom, row: Fault): Promise<Recovery> {
  const before = await lookBefore(at);
  const output = await mkdtemp(join(at.room.folder, 'out-'));
  const moment = row.at.arm(at);
  const prepared = await row.prepare?.(at);
  const { args = [] } = prepared ?? {};
  const job = await at.train({ output: prepared?.output ?? output, large: row.at.large ?? false, args });
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
      assert.equal(ended.exitCode, 0, ended.stderr);
    }
    const endedMs = performance.now();
    if (row.ends === undefined) await publishedOnce(at, before, id, [output]);
    else await nothingPublished(at, before, id, { phase: row.ends }, [output]);
    return {
      fault: row.fault,
      phase: row.at.phase,
      recoverMs: row.ends === undefined ? (job.wentOnMs(injectedMs, gone) ?? endedMs - injectedMs) : undefined,
      epochsLost: job.epochsLost,
      outcome: row.ends ?? 'published once',
    };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${job.command.shown()}`, { cause: error });
  } finally {
    moment.release();
    job.command.kill();
    job.stop();
    await prepared?.undo();
  }
}
