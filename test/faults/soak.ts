import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FaultRoom } from './fault-room.ts';
import { MemoryWatch } from './memory.ts';
import { finalStatus } from './outcome.ts';

/** `npm run test:soak -- --minutes 20 --seed 7` sets these. */
const MINUTES = Number(process.env.SLEAP_RTC_SOAK_MINUTES ?? 20);
const SEED = Number(process.env.SLEAP_RTC_SOAK_SEED ?? Date.now() % 1_000_000);
const JOBS = Math.round(3 * MINUTES);
const WORKERS = ['worker-1', 'worker-2', 'worker-3'];
/** As many jobs as there are workers, and one that waits. */
const AT_ONCE = 4;
/** Time from one kill to the next, in ms. */
const KILL_EVERY_MS = [20_000, 60_000] as const;
const SAMPLE_MS = 5_000;
/** Growth at which a process counts as leaking, from its warm state to its end: the larger of the two. */
const GROWTH = { part: 0.25, megabytes: 40 };
/** Samples in two minutes; fewer show nothing. */
const SAMPLES = 24;

describe(`${JOBS} jobs in ${MINUTES} minutes, their workers and servers killed at random`, function () {
  this.timeout((MINUTES + 15) * 60_000);
  let at: FaultRoom;
  const random = seeded(SEED);
  const stop = new AbortController();
  const memory = new MemoryWatch();
  const kills: string[] = [];
  let typedAgain = 0;

  before(async () => {
    process.stdout.write(`  seed ${SEED}\n`);
    at = await FaultRoom.start(WORKERS);
  });
  after(async () => {
    stop.abort();
    await at?.stop();
  });

  it('all end, none is lost, and no process grows', async () => {
    const beside = [kill(), watch()];
    const ids = await runJobs();
    stop.abort();
    await Promise.all(beside);

    const ended = await Promise.all(ids.map((id) => finalStatus(at, id)));
    assert.deepEqual(
      ended.filter(({ phase }) => phase !== 'done').map(({ job_id, phase, error }) => ({ job_id, phase, error })),
      [],
    );
    const published = ended.flatMap(({ models }) => models.map(({ id }) => id));
    assert.deepEqual(Object.keys((await at.room.manifest()).models).sort(), published.sort(), 'each model once');
    assert.equal(published.length, JOBS);

    const uses = memory.uses(SAMPLES);
    const rows = uses.map(
      ({ name, samples, earlyMb, lateMb, slopeMbPerHour }) =>
        `  ${name.padEnd(18)} ${earlyMb.toFixed(0).padStart(5)} MB → ${lateMb.toFixed(0).padStart(5)} MB  ${slopeMbPerHour.toFixed(0).padStart(6)} MB/h  (${samples} samples)`,
    );
    process.stdout.write(
      `${JOBS} jobs, ${typedAgain} typed again, ${kills.length} kills: ${kills.join(', ')}\n${rows.join('\n')}\n`,
    );
    for (const { name, earlyMb, lateMb } of uses) {
      const allowed = earlyMb + Math.max(GROWTH.megabytes, earlyMb * GROWTH.part);
      assert.ok(lateMb <= allowed, `${name} grew from ${earlyMb.toFixed(0)} to ${lateMb.toFixed(0)} MB`);
    }
  });

  /** Submits jobs, some at a time, spread over the whole duration. @returns their ids */
  async function runJobs(): Promise<string[]> {
    const ids: string[] = [];
    const startedMs = performance.now();
    let begun = 0;
    const researcher = async (): Promise<void> => {
      for (;;) {
        const number = begun++;
        if (number >= JOBS) return;
        const dueMs = startedMs + (number / JOBS) * MINUTES * 60_000;
        await delay(Math.max(0, dueMs - performance.now()));
        ids.push(await runJob());
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, researcher));
    return ids;
  }

  /** A command fails within seconds if the server is unavailable when it starts; the researcher types it again. */
  async function runJob(): Promise<string> {
    for (;;) {
      const output = await mkdtemp(join(at.room.folder, 'out-'));
      const job = await at.train({ output });
      const ended = await job.command;
      job.stop();
      const foundNoServer = ended.stdout.includes('SERVER_UNREACHABLE') && !/ is submitted/.test(ended.stderr);
      if (foundNoServer) typedAgain += 1;
      else {
        assert.equal(ended.exitCode, 0, `seed ${SEED}: ${ended.stdout}${ended.stderr}`);
        return job.id;
      }
    }
  }

  async function kill(): Promise<void> {
    for (;;) {
      const pauseMs = KILL_EVERY_MS[0] + random() * (KILL_EVERY_MS[1] - KILL_EVERY_MS[0]);
      if (!(await pause(pauseMs))) return;
      const victims = [...WORKERS, ...WORKERS, 'signaling', 'control', 's3', 'temporal'] as const;
      const victim = victims[Math.floor(random() * victims.length)] ?? 'worker-1';
      const signal = random() < 0.7 ? 'SIGKILL' : 'SIGTERM';
      kills.push(WORKERS.includes(victim) ? `${victim} ${signal}` : victim);
      if (victim === 'signaling' || victim === 'control' || victim === 's3' || victim === 'temporal') {
        await at.kill(victim);
        await pause(random() * 10_000);
        await at.restart(victim);
      } else {
        const { exited } = at.worker(victim);
        await at.endWorker(victim, signal);
        await exited;
        await at.startWorker(victim);
      }
    }
  }

  async function watch(): Promise<void> {
    do await memory.sample(at.room.stack.pids());
    while (await pause(SAMPLE_MS));
  }

  /** @returns false if the soak is over */
  function pause(ms: number): Promise<boolean> {
    return delay(ms, undefined, { signal: stop.signal }).then(
      () => true,
      () => false,
    );
  }
});

/** Random numbers from 0 to 1 from a seed: mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
