import assert from 'node:assert/strict';
import pino from 'pino';
import { type SignalingServer, startSignalingServer } from './server.ts';
import { ask, makeRoom, signIn } from './testing/api-client.ts';
import { TestPeer } from './testing/test-peer.ts';
import { startTestServers, type TestServers } from './testing/test-servers.ts';

const logger = pino({ level: 'silent' });

describe('signaling server on real S3, DynamoDB and Cognito', () => {
  let servers: TestServers;
  let server: SignalingServer;

  before(async function () {
    this.timeout(60_000);
    servers = await startTestServers(['s3', 'dynamodb', 'cognito']);
    server = await startSignalingServer(servers.config, { logger, aws: servers.aws() });
  });
  after(async () => {
    await server?.stop();
    await servers?.[Symbol.asyncDispose]();
  });

  it('signs in, makes a room and seats a peer with ICE servers of its own', async () => {
    const user = await signIn(server.url);
    const room = await makeRoom(server.url, user.id_token);
    const peer = await TestPeer.join(server.url, {
      peer_id: 'worker-1',
      role: 'worker',
      room_id: room.room_id,
      token: room.token,
      id_token: user.id_token,
    });
    const reply = await ask(server.url, `GET /api/rooms/${room.room_id}`, {
      idToken: user.id_token,
      roomToken: room.token,
    });
    assert.equal(reply.status, 200);
    assert.partialDeepStrictEqual(reply.body, { room_id: room.room_id, workers: 1, peers: 1 });
    await peer.close();
  });
});
