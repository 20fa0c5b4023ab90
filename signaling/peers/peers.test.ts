import assert from 'node:assert/strict';
import pino from 'pino';
import { WebSocket } from 'ws';
import { EVERYONE, MAX_MESSAGE_BYTES } from '../../protocol/wire/signaling.ts';
import { type SignalingServer, startSignalingServer } from '../server.ts';
import { signIn } from '../testing/api-client.ts';
import { TestPeer } from '../testing/test-peer.ts';
import { newRoom } from '../testing/test-room.ts';
import { startTestServers, type TestServers } from '../testing/test-servers.ts';
import { CLOSE, HARD_MESSAGE_BYTES } from './limits.ts';

const logger = pino({ level: 'silent' });
const status = { type: 'drain_response', status: 'busy', job_id: null } as const;
const purpose = { job_id: 'job00000001', kind: 'dataset' } as const;
const connection_id = 'connection-1';

describe('peers of a room', () => {
  let servers: TestServers;
  let server: SignalingServer;
  let url: string;

  before(async function () {
    this.timeout(60_000);
    servers = await startTestServers(['s3', 'dynamodb', 'cognito']);
    server = await startSignalingServer(servers.config, { logger, aws: servers.aws() });
    url = server.url;
  });
  after(async () => {
    await server?.stop();
    await servers?.[Symbol.asyncDispose]();
  });

  it('see which peers are there, join, change and leave, and get ICE servers of their own', async () => {
    const room = await newRoom(url);
    const first = await room.join('w1', { role: 'worker' });
    const second = await TestPeer.open(url);
    const { id_token } = await signIn(url);
    second.send({
      type: 'register',
      request_id: 'r1',
      peer_id: 'c1',
      role: 'client',
      room_id: room.room_id,
      token: room.token,
      id_token,
      metadata: { tags: [], properties: {} },
    });
    const registered = await second.nextOf('registered_auth');
    assert.equal(registered.request_id, 'r1');
    assert.deepEqual(
      registered.peer_list.map(({ peer_id }) => peer_id),
      ['w1'],
    );
    assert.equal(registered.ice_servers.length, 2);
    assert.match(registered.ice_servers[1]?.username ?? '', /^\d+:/);
    assert.equal((await first.nextOf('peer_joined')).peer.peer_id, 'c1');

    second.send({ type: 'update_metadata', request_id: 'r2', metadata: { tags: ['x'], properties: { job_id: 'j' } } });
    assert.equal((await second.nextOf('metadata_updated')).request_id, 'r2');
    assert.deepEqual((await first.nextOf('peer_updated')).peer.metadata.tags, ['x']);
    await second.close();
    assert.equal((await first.nextOf('peer_left')).peer_id, 'c1');
    await first.close();
  });

  it('pass on offers, answers, candidates and messages, stamped with who really sent them', async () => {
    const room = await newRoom(url);
    const [worker, client] = [await room.join('w1', { role: 'worker' }), await room.join('c1')];
    const forged = { sender: 'admin', from_peer_id: 'admin' };
    const send = (message: object) => worker.send(JSON.stringify({ ...message, ...forged, request_id: 'r' }));

    send({ type: 'offer', target: 'c1', connection_id, sdp: 'v=0', purpose });
    assert.deepEqual(await client.nextOf('offer'), {
      type: 'offer',
      target: 'c1',
      connection_id,
      sdp: 'v=0',
      purpose,
      sender: 'w1',
    });
    send({ type: 'answer', target: 'c1', connection_id, sdp: 'v=0' });
    assert.equal((await client.nextOf('answer')).sender, 'w1');
    send({ type: 'candidate', target: 'c1', connection_id, candidate: null });
    assert.equal((await client.nextOf('candidate')).sender, 'w1');
    send({ type: 'peer_message', to_peer_id: 'c1', payload: status });
    assert.deepEqual(await client.nextOf('peer_message'), {
      type: 'peer_message',
      from_peer_id: 'w1',
      payload: status,
    });
    for (let i = 0; i < 4; i++) assert.equal((await worker.nextOf('delivered')).request_id, 'r');

    send({ type: 'offer', target: 'nobody', connection_id, sdp: 'v=0', purpose });
    assert.partialDeepStrictEqual(await worker.nextOf('error'), { code: 'PEER_UNKNOWN', request_id: 'r' });
    await Promise.all([worker.close(), client.close()]);
  });

  it('reach nobody in another room, and see nobody there', async () => {
    const [roomA, roomB] = [await newRoom(url), await newRoom(url)];
    const [a, other, b] = [await roomA.join('same-name'), await roomA.join('other'), await roomB.join('b')];
    await a.nextOf('peer_joined');
    b.send({ type: 'peer_message', to_peer_id: 'other', payload: status });
    assert.equal((await b.nextOf('error')).code, 'PEER_UNKNOWN');
    b.send({ type: 'peer_message', to_peer_id: EVERYONE, payload: status });
    await b.nextOf('delivered');
    b.send({ type: 'discover_peers', filters: {} });
    assert.deepEqual((await b.nextOf('peer_list')).peers, []);
    const twin = await roomB.join('same-name');
    await Promise.all([a.settled(), other.settled()]);
    assert.deepEqual([...a.received, ...other.received], []);
    await Promise.all([a, other, b, twin].map((peer) => peer.close()));
  });

  it('find each other by role, tags and properties', async () => {
    const room = await newRoom(url);
    const big = { tags: ['training-worker'], properties: { gpu_memory_mb: 16384, status: 'available' } };
    const small = { tags: ['training-worker'], properties: { gpu_memory_mb: 4000, status: 'available' } };
    const peers = [
      await room.join('big', { role: 'worker', metadata: big }),
      await room.join('small', { role: 'worker', metadata: small }),
      await room.join('big-client', { role: 'client', metadata: big }),
    ];
    const client = await room.join('me');
    client.send({
      type: 'discover_peers',
      request_id: 'd',
      filters: {
        role: 'worker',
        tags: ['training-worker'],
        properties: { gpu_memory_mb: { $gte: 8000 }, status: 'available' },
      },
    });
    const found = await client.nextOf('peer_list');
    assert.partialDeepStrictEqual(found, { request_id: 'd', count: 1, peers: [{ peer_id: 'big', role: 'worker' }] });
    await Promise.all([client, ...peers].map((peer) => peer.close()));
  });

  it('come back under their name at once, which no other living peer can take', async () => {
    const room = await newRoom(url);
    const older = await room.join('w1', { role: 'worker' });
    const newer = await room.join('w1', { role: 'worker' });
    assert.equal((await older.closed).code, CLOSE.replaced);
    const { id_token: idToken } = await signIn(url);
    await assert.rejects(room.join('w1', { role: 'worker', idToken }), { code: 'PEER_ID_TAKEN' });
    await newer.settled();
    await newer.close();
    await (await room.join('w1', { role: 'worker', idToken })).close();
  });

  it('are removed within 10 s after their machine falls silent; sockets that do not register are closed in 5 s', async function () {
    this.timeout(20_000);
    const room = await newRoom(url);
    const watcher = await room.join('watcher');
    const mute = await TestPeer.open(url);
    const hung = await room.join('hung', { autoPong: false });
    const startedAt = performance.now();
    const left = new Promise<number>((resolve) => {
      watcher.socket.on('message', (data) => {
        if (String(data).includes('peer_left')) resolve(performance.now() - startedAt);
      });
    });
    assert.equal((await mute.closed).code, CLOSE.policy);
    assert.ok(performance.now() - startedAt < 6000);
    assert.ok((await left) < 10_000);
    hung.socket.terminate();
    await watcher.close();
  });

  it('are answered with an error for a message that is not understood, and stay connected', async () => {
    const room = await newRoom(url);
    const peer = await room.join('p');
    const expectError = async (message: string | Buffer, code: string, request_id?: string) => {
      peer.send(message);
      const error = await peer.nextOf('error');
      assert.equal(error.code, code, String(message).slice(0, 80));
      assert.equal(error.request_id, request_id);
    };
    await expectError('not json', 'MESSAGE_INVALID');
    await expectError('[]', 'MESSAGE_INVALID');
    await expectError('null', 'MESSAGE_INVALID');
    await expectError('{"type":"shutdown","request_id":"x"}', 'MESSAGE_INVALID', 'x');
    await expectError('{"type":"offer","request_id":"y","target":"../p"}', 'MESSAGE_INVALID', 'y');
    await expectError(Buffer.from([0, 1, 2, 255]), 'MESSAGE_INVALID');
    await expectError(`{"type":"ping","request_id":"${'x'.repeat(MAX_MESSAGE_BYTES)}"}`, 'MESSAGE_TOO_LARGE');
    const properties = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`p${i}`, 'x'.repeat(1000)]));
    await expectError(
      JSON.stringify({ type: 'update_metadata', request_id: 'm', metadata: { tags: [], properties } }),
      'MESSAGE_TOO_LARGE',
      'm',
    );
    await peer.settled();
    await peer.close();
  });

  it('are disconnected for an oversized frame or a flood, while others are still served', async () => {
    const room = await newRoom(url);
    const [huge, flood, bystander] = [await room.join('huge'), await room.join('flood'), await room.join('bystander')];
    huge.send('x'.repeat(HARD_MESSAGE_BYTES + 1));
    assert.equal((await huge.closed).code, 1009);
    for (let i = 0; i < 2000; i++) flood.send({ type: 'ping' });
    assert.equal((await flood.closed).code, CLOSE.policy);
    assert.ok(flood.received.some((message) => message.type === 'error' && message.code === 'LIMIT_REACHED'));
    await bystander.settled();
    await bystander.close();
  });

  it('connect at /ws only', async () => {
    for (const path of ['/', '/ws/', '/ws/.websocket', '/api/rooms', '/%00']) {
      const socket = new WebSocket(url.replace('http', 'ws') + path);
      const outcome = await new Promise((resolve) => {
        socket.on('open', () => resolve('open'));
        socket.on('error', (error) => resolve(error.message));
      });
      assert.equal(outcome, 'Unexpected server response: 404', path);
    }
  });
});
