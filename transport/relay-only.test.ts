import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { startTurn, type TurnServer } from '../stack/servers/turn.ts';
import {
  acceptPeers,
  connectPeer,
  describeFiles,
  type Route,
  receiveFiles,
  type SignalingClient,
  sendFiles,
} from './index.ts';
import { enginePairings } from './testing/engine-pairings.ts';
import { join } from './testing/join.ts';
import { TestRelay } from './testing/relay.ts';

const purpose = { job_id: 'abcdefgh', kind: 'dataset' } as const;

for (const { name, offerer, answerer } of await enginePairings()) {
  describe(`a transfer that may go through the TURN server only, ${name}`, function () {
    this.timeout(60_000);
    let dir: string;
    let turn: TurnServer | undefined;
    let room: TestRelay;
    let worker: SignalingClient;
    let client: SignalingClient;
    /** Every ICE candidate that went over signaling. */
    let candidates: string[];

    before(async function () {
      dir = await mkdtemp(joinPath(tmpdir(), 'relay-only-'));
      turn = await startTurn({ dir });
      // coturn can't be installed without root: a machine without it leaves this out, and docs/verified.md says so.
      if (turn === undefined) this.skip();
    });
    after(async () => {
      await turn?.stop();
      await rm(dir, { recursive: true, force: true });
    });

    beforeEach(async () => {
      candidates = [];
      room = await TestRelay.start();
      room.intercept = (message) => {
        if (message.type === 'candidate' && message.candidate !== null) candidates.push(message.candidate.candidate);
        return message;
      };
    });
    afterEach(async () => {
      await worker.close();
      await client.close();
      await room[Symbol.asyncDispose]();
    });

    async function joinBoth(password: (username: string) => string): Promise<void> {
      const username = `${Math.floor(Date.now() / 1000) + 600}:user`;
      room.iceServers.push({ urls: [turn?.url ?? ''], username, credential: password(username) });
      worker = await join(room.url, 'worker-1', { iceTransportPolicy: 'relay', webRtc: offerer });
      client = await join(room.url, 'client-1', { iceTransportPolicy: 'relay', webRtc: answerer });
    }

    it('arrives intact, and offers no address but the relay’s', async () => {
      await joinBoth((username) =>
        createHmac('sha1', turn?.secret ?? '')
          .update(username)
          .digest('base64'),
      );
      const source = joinPath(dir, 'data.bin');
      await writeFile(source, randomBytes(3_000_000));
      const files = await describeFiles([{ absolutePath: source, path: 'data.bin' }]);
      const expected = files.map(({ entry }) => entry);
      let clientsRoute: Route | undefined;
      const accepting = acceptPeers(client, async (connection) => {
        clientsRoute = connection.route;
        await sendFiles(await connection.acceptChannel(), files);
        await connection.closed;
      });
      try {
        const connection = await connectPeer(worker, { peerId: 'client-1', purpose });
        try {
          assert.equal(connection.route, 'relay');
          const channel = await connection.openChannel('dataset');
          assert.deepEqual(await receiveFiles(channel, joinPath(dir, 'received'), { expected }), expected);
        } finally {
          await connection.close();
        }
        assert.equal(clientsRoute, 'relay');
        assert.ok(candidates.length > 0);
        assert.deepEqual(
          candidates.filter((candidate) => !candidate.includes(' typ relay ')),
          [],
        );
      } finally {
        await accepting[Symbol.asyncDispose]();
      }
    });

    it('does not come about with a wrong password', async () => {
      await joinBoth(() => 'wrong');
      const accepting = acceptPeers(client, (connection) => connection.closed);
      try {
        await assert.rejects(connectPeer(worker, { peerId: 'client-1', purpose, attemptMs: 1_000 }), {
          code: 'PEER_UNREACHABLE',
        });
        assert.deepEqual(candidates, []);
      } finally {
        await accepting[Symbol.asyncDispose]();
      }
    });
  });
}
