import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { FILES, MODEL, useDesk } from '../testing/desk.ts';

describe('sleap-rtc train, detached and attached again', function () {
  this.timeout(60_000);

  const desk = useDesk();

  it('says when the researcher may close their computer', async () => {
    const worker = await desk.joined();
    const running = desk.train();
    const spec = await desk.server.submitted();
    await worker.receive(spec, desk.home.path('worker', 'dataset'));
    await worker.epochs(spec.job_id, 'single', 1, 2);
    await desk.home.says(running, /epoch 1\/2/);
    // Any member of the room may call itself a worker; only the job knows its worker.
    const liar = await desk.joined('gpu-liar');
    await liar.staged(spec.job_id);
    await worker.epochs(spec.job_id, 'single', 2, 2);
    await desk.home.says(running, /epoch 2\/2/);
    await worker.staged(spec.job_id);
    await desk.home.says(running, /you may close this computer/);
    desk.server.update(spec.job_id, { phase: 'cancelled' });
    const { stderr } = await running;
    assert.ok(stderr.indexOf('epoch 2/2') < stderr.indexOf('you may close'), stderr);
  });

  it('with --detach ends when the data is staged, not when the worker has it; jobs attach brings the model later', async () => {
    const worker = await desk.joined();
    const running = desk.train('--detach');
    const spec = await desk.server.submitted();
    await worker.receive(spec, desk.home.path('worker', 'dataset'));
    await worker.epochs(spec.job_id, 'single', 1, 2);
    await desk.home.says(running, /epoch 1\/2/);
    await worker.staged(spec.job_id);
    const left = await running;
    assert.equal(left.exitCode, 0, left.stderr);
    assert.match(left.stdout, /does not need the researcher’s computer/);
    assert.match(left.stdout, new RegExp(`jobs attach ${spec.job_id}`));

    const attached = desk.home.start('jobs', 'attach', spec.job_id, '-o', 'later');
    await desk.home.says(attached, /Training/);
    await worker.publish(spec.job_id, { ...MODEL, aliases: [] }, desk.home.path('worker', 'models'));
    await worker.send(spec.job_id, desk.home.path('worker', 'models'), FILES);
    desk.server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await attached;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /Received/);
    assert.deepEqual(await readdir(desk.home.path('later')), ['single']);
  });

  it('killed before the worker has the data, jobs attach serves it and brings the model to the folder of the submission', async () => {
    const running = desk.train('-o', 'wanted');
    const spec = await desk.server.submitted();
    await desk.home.says(running, /No worker/);
    running.kill('SIGKILL');
    await running;
    const attached = desk.home.start('jobs', 'attach', spec.job_id);
    await desk.home.says(attached, /No worker/);
    const worker = await desk.joined();
    await desk.untilPublished(worker);
    desk.server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await attached;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /Sent 30\d kB/);
    assert.deepEqual(await readdir(desk.home.path('wanted')), ['single']);
    assert.deepEqual(await readdir(desk.home.path('config', 'jobs')), []);
  });

  it('with --detach --no-stage ends when the worker has the data, says what that means, and jobs attach serves it again', async () => {
    const lost = await desk.joined('gpu-lost');
    const running = desk.train('--detach', '--no-stage');
    const spec = await desk.server.submitted();
    assert.equal(spec.stage, false);
    desk.server.update(spec.job_id, { staging: 'off' });
    await lost.receive(spec, desk.home.path('worker-lost'));
    const left = await running;
    assert.equal(left.exitCode, 0);
    assert.match(
      left.stderr,
      /stays on the worker \(--no-stage\): if the worker is lost, the job waits for this computer/,
    );
    assert.match(left.stdout, /if the worker is lost, the job waits for the researcher’s computer/);
    await lost.epochs(spec.job_id, 'single', 1, 2);
    const attached = desk.home.start('jobs', 'attach', spec.job_id);
    await desk.home.says(attached, /Training/);
    const worker = await desk.joined();
    await desk.untilPublished(worker);
    desk.server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await attached;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /Worker gpu-1 continues the job/);
    assert.deepEqual(await readdir(desk.home.path('models')), ['single']);
  });

  it('jobs attach on another computer does not disturb the computer that has the data', async () => {
    const running = desk.train();
    const spec = await desk.server.submitted();
    await desk.home.says(running, /No worker/);
    desk.home.env.SLEAP_RTC_CONFIG_DIR = desk.home.path('another-machine');
    const onlooker = desk.home.start('jobs', 'attach', spec.job_id, '-o', 'elsewhere');
    await desk.home.says(onlooker, /data is not on this machine/);
    const worker = await desk.joined();
    await desk.untilPublished(worker);
    desk.server.update(spec.job_id, { phase: 'done' });
    assert.equal((await running).exitCode, 0);
    assert.equal((await onlooker).exitCode, 0);
    assert.deepEqual(await readdir(desk.home.path('elsewhere')), ['single']);
  });
});
