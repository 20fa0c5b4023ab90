import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RTCPeerConnection } from 'werift';
import { findOnPath } from '../processes/find-on-path.ts';
import { withFolder } from '../testing/with-folder.ts';
import { startTurn, type TurnServer } from './turn.ts';

describe('startTurn', function () {
  this.timeout(60_000); // a peer takes 10 s to give up on a relay that refuses it

  before(async function () {
    if ((await findOnPath('turnserver')) === undefined) this.skip();
  });

  it('relays for time-limited credentials made from its secret, and refuses others', () =>
    withFolder(async (dir) => {
      const turn = await startTurn({ dir });
      assert(turn);
      try {
        assert.match(await relayCandidates(turn, turn.secret), /typ relay/);
        assert.doesNotMatch(await relayCandidates(turn, 'another secret'), /typ relay/);
        assert.doesNotMatch(await readFile(join(dir, 'logs/turn.log'), 'utf8'), new RegExp(turn.secret));
      } finally {
        await turn.stop();
      }
    }));
});

/** The candidates that a peer gathers with the server; those of type relay need valid credentials. */
async function relayCandidates(turn: TurnServer, secret: string): Promise<string> {
  const username = `${Math.floor(Date.now() / 1000) + 60}:test`;
  const credential = createHmac('sha1', secret).update(username).digest('base64');
  const peer = new RTCPeerConnection({
    iceServers: [{ urls: turn.url, username, credential }],
    iceTransportPolicy: 'relay',
  });
  try {
    peer.createDataChannel('test');
    await peer.setLocalDescription(await peer.createOffer());
    return peer.localDescription?.sdp ?? '';
  } finally {
    await peer.close();
  }
}
