import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import { heartbeatWith } from '../../activities/heartbeat-details.ts';
import { environmentWith } from '../../activities/testing/activity-environment.ts';
import { heartbeats } from './heartbeats.ts';

describe('heartbeats', () => {
  it('carry what the activity has set, every second while it runs, so that a dead worker is noticed', async () => {
    const environment = environmentWith([heartbeats]);
    const beats: unknown[] = [];
    environment.on('heartbeat', (details) => beats.push(details));
    let epoch = 0;
    await environment.run(async () => {
      await sleep(1_200);
      heartbeatWith(() => ({ epoch }));
      epoch = 7;
      await sleep(1_000);
    });
    assert.deepEqual(beats, [undefined, { epoch: 7 }]);
    await sleep(1_100);
    assert.equal(beats.length, 2, 'none after its end');
  });

  it('are not sent for a local activity, for which Temporal does not accept any', async () => {
    const environment = environmentWith([heartbeats], { isLocal: true });
    environment.on('heartbeat', () => assert.fail('a heartbeat'));
    await environment.run(() => sleep(1_100));
  });

  it('count an activity as cancelled, whatever error it failed with after that', async () => {
    const environment = environmentWith([heartbeats]);
    const running = environment.run(async () => {
      await Context.current().cancelled.catch(() => undefined);
      throw new Error('socket hang up');
    });
    environment.cancel();
    await assert.rejects(running, CancelledFailure);
  });

  it('pass a failure on', async () => {
    const failing = environmentWith([heartbeats]).run(() => Promise.reject(new Error('ENOENT')));
    await assert.rejects(failing, { message: 'ENOENT' });
  });
});
