import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { useDesk } from '../testing/desk.ts';

describe('sleap-rtc train, with different workers in the room', function () {
  this.timeout(60_000);

  const desk = useDesk();

  it('says that no worker is in the room, waits, and continues when one comes', async () => {
    const running = desk.train();
    const spec = await desk.server.submitted();
    await desk.home.says(running, /No worker is in the room; waiting/);
    const worker = await desk.joined();
    await worker.receive(spec, desk.home.path('worker', 'dataset'));
    desk.server.update(spec.job_id, {
      phase: 'failed',
      error: { code: 'CONFIG_REFUSED', message: 'trainer_config.x is not a key.', remedy: 'Fix it.' },
    });
    const { exitCode, stderr } = await running;
    // The job's own code decides.
    assert.equal(exitCode, 2);
    assert.match(stderr, /Error: trainer_config\.x is not a key\. \[CONFIG_REFUSED\]\nFix it\./);
  });

  it('sends nothing to a worker with another key, and says who was refused', async () => {
    const stranger = await desk.joined('gpu-1', 'worker', Buffer.alloc(32, 'other').toString('base64url'));
    const running = desk.train();
    const spec = await desk.server.submitted();
    await assert.rejects(stranger.receive(spec, desk.home.path('worker', 'dataset')), { code: 'PEER_NOT_PROVEN' });
    await desk.home.says(running, /A connection was refused: gpu-1 and cli-.* the same room key, so no data was moved/);
    assert.ok(!(await readdir(desk.home.path())).includes('worker'), 'nothing has come to the worker');
    desk.server.update(spec.job_id, {
      phase: 'failed',
      error: { code: 'PEER_NOT_PROVEN', message: 'No key.', remedy: 'Use the same invite.' },
    });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 4);
    assert.doesNotMatch(stderr, /Sent /);
  });

  it('waits as long as --wait says, then cancels the job and exits with 6', async () => {
    const { exitCode, stderr } = await desk.train('--wait', '0.02');
    assert.equal(exitCode, 6, stderr);
    assert.match(stderr, /No worker is in the room; the time limit of --wait is over.*\[NO_WORKER\]/);
    const spec = await desk.server.submitted();
    assert.equal(desk.server.jobs.get(spec.job_id)?.status.phase, 'cancelled');
  });

  it('submits with the priority of the flag, and with none otherwise', async () => {
    await desk.train('--wait', '0.02');
    assert.equal((await desk.server.submitted()).priority, undefined);
    await desk.train('--wait', '0.02', '--priority', '1', '--retrain');
    assert.equal([...desk.server.jobs.values()].at(-1)?.spec?.priority, 1);
    assert.equal((await desk.train('--priority', '6')).exitCode, 2);
  });

  it('says that no worker meets the requirements', async () => {
    await desk.joined();
    const { exitCode, stderr } = await desk.train('--wait', '0.02', '--min-gpu-memory', '80000');
    assert.equal(exitCode, 6);
    assert.match(stderr, /needs a worker with at least 80000 MB of GPU memory: the only worker in the room is not one/);
    const other = await desk.train('--wait', '0.02', '--worker', 'gpu-9');
    assert.match(other.stderr, /The job needs worker gpu-9: the only worker in the room is not one/);
  });

  it('does not serve peers that are not workers, whatever they claim', async () => {
    const stranger = await desk.joined('stranger', 'client');
    const running = desk.train();
    const spec = await desk.server.submitted();
    await assert.rejects(stranger.receive(spec, desk.home.path('stolen')));
    desk.server.update(spec.job_id, { phase: 'cancelled' });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 7);
    assert.match(stderr, /stranger is not a worker/);
    assert.deepEqual(
      (await readdir(desk.home.path('stolen'))).filter((name) => name.endsWith('.slp')),
      [],
    );
  });
});
