import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ownerArgument } from '../../activities/sleap-nn/index.ts';
import { processesGone } from '../../stack/testing/processes-gone.ts';
import { FLIES_CONFIG, fliesLabels } from '../support/samples.ts';
import { createRoom, type TestRoom } from '../support/test-room.ts';

const Workers = z.object({ workers: z.array(z.looseObject({ name: z.string(), status: z.string() })) });
const Trained = z.looseObject({ models: z.array(z.looseObject({ id: z.string() })) });

const Jobs = z.object({ jobs: z.tuple([z.object({ job_id: z.string() })]) });

/** SIGTERM to the end of the process; a cluster kills after 30 s. */
const EXIT_TIMEOUT_MS = 20_000;

describe('the life of a worker', function () {
  this.timeout(240_000);
  let room: TestRoom;

  before(async () => {
    room = await createRoom();
  });

  async function longConfig(): Promise<string> {
    const path = join(room.folder, 'centroid.yaml');
    await writeFile(path, (await readFile(FLIES_CONFIG, 'utf8')).replace(/max_epochs: \d+/, 'max_epochs: 500'));
    return path;
  }
  const statusOf = async (name: string) => {
    const { workers } = Workers.parse(await room.json(['workers', 'list']));
    return workers.find((worker) => worker.name === name)?.status;
  };

  it('evicted while it trains, it hands the job over at once and ends without a failure; the job can then be paused, resumed, stopped early and published', async () => {
    // Its first checkpoint is uploaded at once; the next one only after an hour, or at its eviction.
    const leaving = await room.startWorker('leaving', { SLEAP_RTC_CHECKPOINT_SECONDS: '3600' });
    const out = join(room.folder, 'models');
    const training = room.cli(['train', fliesLabels(room.tools), '--config', await longConfig(), '-o', out, '--json']);
    await training.untilShown(/epoch 2\/500/);
    const staying = await room.startWorker('staying', { SLEAP_RTC_CHECKPOINT_SECONDS: '3600' });
    const trainers = await trainersOf(leaving.workDir);
    assert.ok(trainers.length > 0, 'sleap-nn was running');
    const evictedAt = Date.now();
    process.kill(leaving.pid, 'SIGTERM');
    await training.untilShown(/Worker staying continues the job/);
    const movedMs = Date.now() - evictedAt;
    assert.deepEqual(await leaving.exited.then((end) => z.looseObject({ exitCode: z.int() }).parse(end).exitCode), 0);
    assert.ok(Date.now() - evictedAt < EXIT_TIMEOUT_MS, `gone after ${Date.now() - evictedAt} ms`);
    assert.ok(movedMs < 10_000, `another worker had the job after ${movedMs} ms`);
    await processesGone(trainers);
    const shown = () => training.shown().split('Worker staying continues the job');
    const reported = epochsIn(shown()[0]).at(-1) ?? 0;
    await training.untilShown(/continues the job[\s\S]*epoch \d+\/500/);
    const [next = 0] = epochsIn(shown()[1]);
    assert.ok(next >= reported, `resumed with epoch ${next} after ${reported}`);

    const { job_id } = Jobs.parse(await room.json(['jobs', 'list'])).jobs[0];
    // Well after the one checkpoint that was uploaded before the eviction.
    await training.untilShown(new RegExp(`epoch ${next + 8}/500`));
    const toPause = await trainersOf(staying.workDir);
    const pausedAt = Date.now();
    const paused = await room.cli(['jobs', 'pause', job_id]);
    assert.ok(Date.now() - pausedAt < 5_000, `acknowledged after ${Date.now() - pausedAt} ms`);
    assert.match(paused.stdout, /paus(ed|e:).*\nResume it with/);
    await training.untilShown(/The job is paused: .*jobs resume/);
    await processesGone(toPause);
    assert.equal(await statusOf('staying'), 'available');
    const lastEpochBefore = epochsIn(shown()[1]).at(-1) ?? 0;
    await room.json(['jobs', 'resume', job_id]);
    await training.untilShown(/The job is paused[\s\S]*epoch \d+\/500/);
    const [after = 0] = epochsIn(training.shown().split('The job is paused')[1]);
    assert.ok(after >= lastEpochBefore, `went on with epoch ${after} after ${lastEpochBefore}`);

    await room.json(['workers', 'drain', 'staying', '--exit']);
    assert.equal(await statusOf('staying'), 'draining');
    const askedAt = Date.now();
    const { stdout } = await room.cli(['jobs', 'stop', job_id]);
    assert.match(stdout, /stops early/);
    assert.ok(Date.now() - askedAt < 5_000, `acknowledged after ${Date.now() - askedAt} ms`);
    const ended = await training;
    assert.equal(ended.exitCode, 0, ended.stderr);
    const [model] = Trained.parse(JSON.parse(ended.stdout)).models;
    assert.equal((await room.manifest()).models[model?.id ?? '']?.training.stopped_early, true);
    await staying.exited;
  });

  it('drained, it takes no job until the drain is undone', async () => {
    await room.startWorker('serviced');
    await room.json(['workers', 'drain', 'serviced']);
    assert.equal(await statusOf('serviced'), 'drained');
    await room.json(['workers', 'drain', 'serviced', '--undo']);
    assert.equal(await statusOf('serviced'), 'available');
    const { exitCode, stderr } = await room.cli(['workers', 'drain', 'nobody']);
    assert.equal(exitCode, 6);
    assert.match(stderr, /There is no worker nobody in the room/);
  });
});

function epochsIn(shown = ''): number[] {
  return [...shown.matchAll(/epoch (\d+)\/500/g)].map(([, epoch]) => Number(epoch));
}

/** The sleap-nn processes of a worker, by its folder. */
async function trainersOf(workDir: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return pids.filter((_, index) => lines[index]?.split('\0').includes(ownerArgument(workDir))).map(Number);
}
