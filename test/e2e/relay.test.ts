import assert from 'node:assert/strict';
import { join } from 'node:path';
import { FLIES_CONFIG, fliesLabels } from '../support/samples.ts';
import { createRoom, type TestRoom } from '../support/test-room.ts';

const RELAY = { SLEAP_RTC_ICE_TRANSPORT_POLICY: 'relay' };

describe('a job whose data may go through the TURN server only', function () {
  this.timeout(300_000);
  let room: TestRoom;

  before(async function () {
    room = await createRoom();
    // coturn can't be installed without root: a machine without it leaves this out, and docs/verified.md says so.
    if (room.stack.servers.turn === undefined) this.skip();
    await room.startWorker('worker-1', RELAY);
  });

  it('gets its data there and its model back with the credentials that the server hands out', async () => {
    const train = ['train', fliesLabels(room.tools), '--config', FLIES_CONFIG, '-o', join(room.folder, 'models')];
    const ended = await room.cli(train, RELAY);
    assert.equal(ended.exitCode, 0, ended.stderr);
    assert.match(ended.stderr, /Connected to \S+ through the relay\./);
    assert.match(ended.stderr, /Sent 4\d\.\d kB/);
    assert.match(ended.stderr, /Received 1\.\d+ MB/);
  });
});
