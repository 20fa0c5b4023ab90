import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
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
import { Owned } from './testing/owned.ts';
import { TestSignaling } from './testing/test-signaling.ts';

const purpose = { job_id: 'abcdefgh', kind: 'dataset' } as const;

for (const { name, offerer, answerer } of await enginePairings()) {
  describe(`a transfer that may use only the TURN server, ${name}`, function () {
    this.timeout(60_000);
    let dir: string;
    let turn: TurnServer | undefined;
    let room: TestSignaling;
    let worker: SignalingClient;
    let client: SignalingClient;
    /** All ICE candidates that were sent over signaling. */
    let candidates: string[];

    before(async function () {
      dir = await mkdtemp(joinPath(tmpdir(), 'relay-only-'));
      turn = await startTurn({ dir });
      // coturn cannot be installed without root.
      if (turn === undefined) this.skip();
    });
    after(async () => {
      await turn?.stop();
      await rm(dir, { recursive: true, force: true });
    });

    beforeEach(() => {
      candidates = [];
    });
    afterEach(async () => {
      await worker.close();
      await client.close();
      await room[Symbol.asyncDispose]();
    });

    /** @param secret from which the server makes the credentials of TURN */
    async function joinBoth(secret = ''): Promise<void> {
      room = await TestSignaling.start({ ice: { stunUrls: [], turnUrls: [turn?.url ?? ''], turnSecret: secret } });
      room.intercept = (message) => {
        if (message.type === 'candidate' && message.candidate !== null) candidates.push(message.candidate.candidate);
        return message;
      };
      worker = await join(room.url, 'worker-1', { iceTransportPolicy: 'relay', webRtc: offerer });
      client = await join(room.url, 'client-1', { iceTransportPolicy: 'relay', webRtc: answerer });
    }

    it('arrives intact, and offers no address but the relay’s', async () => {
      await joinBoth(turn?.secret);
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
        await accepting.close();
      }
    });

    it('is not possible with a wrong password', async () => {
      await joinBoth('wrong');
      const accepting = acceptPeers(client, (connection) => connection.closed);
      try {
        await assert.rejects(connectPeer(worker, { peerId: 'client-1', purpose, attemptTimeoutMs: 1_000 }), {
          code: 'PEER_UNREACHABLE',
        });
        assert.deepEqual(candidates, []);
      } finally {
        await accepting.close();
      }
    });
  });
}

describe('a worker that is connected for longer than TURN credentials live', function () {
  this.timeout(60_000);
  const LIFETIME_MS = 5_000;
  const owned = new Owned();
  let dir: string;
  let turn: TurnServer;

  before(async function () {
    dir = await mkdtemp(joinPath(tmpdir(), 'relay-only-'));
    const started = await startTurn({ dir });
    if (started === undefined) return this.skip();
    turn = started;
  });
  afterEach(owned.end);
  after(async () => {
    await turn?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('gets new ones on the same socket, and still reaches peers through the relay', async () => {
    const ice = { stunUrls: [], turnUrls: [turn.url], turnSecret: turn.secret, turnLifetimeMs: LIFETIME_MS };
    const room = owned.add(await TestSignaling.start({ ice }));
    const worker = owned.add(await join(room.url, 'worker-1', { iceTransportPolicy: 'relay' }));
    const client = owned.add(await join(room.url, 'client-1', { iceTransportPolicy: 'relay' }));
    const expiry = Number(worker.iceServers[0]?.username?.split(':')[0]) * 1000;
    assert.ok(expiry <= Date.now() + LIFETIME_MS);
    while (Date.now() < expiry + 1_000) await new Promise((resolve) => worker.on('ice_servers', resolve));
    owned.add(acceptPeers(client, (connection) => connection.closed));
    const connection = owned.add(await connectPeer(worker, { peerId: 'client-1', purpose }));
    assert.equal(connection.route, 'relay');
    assert.equal(room.registrations.length, 2, 'nobody has registered again');
  });
});
