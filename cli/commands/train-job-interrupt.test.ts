import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { execa } from 'execa';
import { MODEL, useDesk } from '../testing/desk.ts';

/** A key as a terminal sends it. */
const KEY = { ctrlC: '\u0003', down: '\u001b[B', enter: '\r' };

describe('sleap-rtc train, interrupted', function () {
  this.timeout(60_000);

  const desk = useDesk();

  describe('Ctrl-C on a terminal', () => {
    before(async function () {
      const found = await execa('script', ['--version'], { reject: false });
      if (found.failed || !found.stdout.includes('util-linux')) this.skip();
    });

    async function interrupted(...keys: string[]) {
      const running = desk.home.startOnTerminal('train', 'flies.pkg.slp', '--config', 'single.yaml');
      const spec = await desk.server.submitted();
      await desk.home.says(running, /No worker is in the room/);
      running.stdin.write(KEY.ctrlC);
      await desk.home.says(running, /What should happen to the job/);
      for (const key of keys) running.stdin.write(key);
      return { running, spec };
    }

    it('asks, and cancels', async () => {
      const { running, spec } = await interrupted(KEY.down, KEY.down, KEY.enter);
      const { exitCode, stdout } = await running;
      assert.equal(exitCode, 7, stdout);
      assert.match(stdout, /is cancelled, as you asked/);
      assert.equal(desk.server.jobs.get(spec.job_id)?.status.phase, 'cancelled');
    });

    it('asks, and detaches', async () => {
      const { running, spec } = await interrupted(KEY.down, KEY.enter);
      const { exitCode, stdout } = await running;
      assert.equal(exitCode, 130, stdout);
      assert.match(stdout, /waits for its data/);
      assert.equal(desk.server.jobs.get(spec.job_id)?.status.phase, 'queued');
    });

    it('asks, and continues', async () => {
      const { running, spec } = await interrupted(KEY.enter);
      const worker = await desk.joined();
      await worker.receive(spec, desk.home.path('worker', 'dataset'));
      await worker.publish(spec.job_id, { ...MODEL, aliases: [] }, desk.home.path('worker', 'models'));
      desk.server.update(spec.job_id, { phase: 'done' });
      assert.equal((await running).exitCode, 0);
    });

    it('pressed again while it asks, ends at once', async () => {
      const { running, spec } = await interrupted(KEY.ctrlC);
      assert.equal((await running).exitCode, 130);
      assert.equal(desk.server.jobs.get(spec.job_id)?.status.phase, 'queued');
    });
  });

  describe('Ctrl-C without a terminal', () => {
    it('before the worker has the data cancels the job, and says so', async () => {
      const running = desk.train();
      const spec = await desk.server.submitted();
      await desk.home.says(running, /No worker/);
      running.kill('SIGINT');
      const { exitCode, stderr } = await running;
      assert.equal(exitCode, 7, stderr);
      assert.match(stderr, /Cancelling job .*\n.*is cancelled, as you asked\. \[JOB_CANCELLED\]/);
      assert.equal(desk.server.jobs.get(spec.job_id)?.status.phase, 'cancelled');
    });

    it('while it trains detaches: the job continues', async () => {
      const worker = await desk.joined();
      const running = desk.train();
      const spec = await desk.server.submitted();
      await worker.receive(spec, desk.home.path('worker', 'dataset'));
      await worker.epochs(spec.job_id, 'single', 1, 2);
      await desk.home.says(running, /epoch 1\/2/);
      running.kill('SIGINT');
      const { exitCode, stderr } = await running;
      assert.equal(exitCode, 130, stderr);
      assert.match(
        stderr,
        new RegExp(
          `Detached from job ${spec.job_id}, which continues; .*waits for this computer.*\\. \\[INTERRUPTED\\]\n.*jobs attach`,
        ),
      );
      assert.equal(desk.server.jobs.get(spec.job_id)?.status.phase, 'training');
    });

    it('does what --on-interrupt says', async () => {
      const worker = await desk.joined();
      const running = desk.train('--on-interrupt', 'cancel');
      const spec = await desk.server.submitted();
      await worker.receive(spec, desk.home.path('worker', 'dataset'));
      await worker.epochs(spec.job_id, 'single', 1, 2);
      await desk.home.says(running, /epoch 1\/2/);
      running.kill('SIGTERM');
      assert.equal((await running).exitCode, 7);
      assert.equal(desk.server.jobs.get(spec.job_id)?.status.phase, 'cancelled');
    });

    it('a second time ends at once', async () => {
      const running = desk.train();
      await desk.server.submitted();
      await desk.home.says(running, /No worker/);
      // Nothing answers the cancellation.
      await desk.server.down();
      running.kill('SIGINT');
      await desk.home.says(running, /Cancelling/);
      running.kill('SIGINT');
      const { exitCode, stderr } = await running;
      assert.equal(exitCode, 130);
      assert.match(stderr, /Stopped immediately/);
    });

    it('removes an unpacked package', async () => {
      const running = desk.train();
      await desk.server.submitted();
      await desk.home.says(running, /No worker/);
      running.kill('SIGINT');
      await running;
      assert.deepEqual((await readdir(desk.home.folder)).sort(), ['config', 'flies.pkg.slp', 'single.yaml']);
    });
  });
});
