import assert from 'node:assert/strict';
import pino from 'pino';
import type { InferenceSpec } from '../protocol/jobs/job.ts';
import { CreateRoomReply, RemoveMemberReply, RoomReply, RotateReply } from '../protocol/wire/api.ts';
import type { ClientMessage, Role } from '../protocol/wire/signaling.ts';
import { CLOSE } from './peers/limits.ts';
import { type SignalingServer, startSignalingServer } from './server.ts';
import { ask } from './testing/api-client.ts';
import { createMemoryBackends, type MemoryBackends, memoryConfig } from './testing/memory-backends.ts';
import { TestPeer } from './testing/test-peer.ts';

const metadata = { tags: [], properties: {} };
const spec: InferenceSpec = {
  kind: 'inference',
  job_id: 'job00000001',
  name: 'clip.mp4',
  files: [{ path: 'clip.mp4', size_bytes: 10, sha256: 'a'.repeat(64) }],
  requirements: {},
  stage: true,
  models: ['a3f5e8c9'],
  input: 'clip.mp4',
  tracking: false,
};

describe('a room of which somebody is the owner', () => {
  let backends: MemoryBackends;
  let server: SignalingServer;
  let room: CreateRoomReply;

  beforeEach(async () => {
    backends = createMemoryBackends();
    server = await startSignalingServer(memoryConfig(), { backends, logger: pino({ level: 'silent' }) });
    room = CreateRoomReply.parse((await ask(server.url, 'POST /api/rooms', { idToken: 'id-of-owner', body: {} })).body);
  });
  afterEach(() => server?.stop());

  const call = (request: string, roomToken: string, body?: object, user = 'member') =>
    ask(server.url, request.replace('ROOM', `/api/rooms/${room.room_id}`), {
      idToken: `id-of-${user}`,
      roomToken,
      ...(body && { body }),
    });
  const join = (
    peer_id: string,
    token: string,
    { role = 'client', user = 'member' }: { role?: Role; user?: string } = {},
  ) => TestPeer.join(server.url, { peer_id, role, room_id: room.room_id, token, id_token: `id-of-${user}`, metadata });
  const closedWith = async (peer: TestPeer) => {
    const { code, reason } = await peer.closed;
    return [code, reason];
  };

  it('has a new token when its owner wants it; whoever has the old one is disconnected and comes back with the new one', async () => {
    const [member, viewer, owner] = [
      await join('member', room.token, { role: 'worker' }),
      await join('viewer', room.viewer_token),
      await join('owner', room.owner_token, { user: 'owner' }),
    ];
    assert.equal((await call('POST ROOM/rotate', room.token)).code, 'NOT_ALLOWED');
    assert.equal((await call('POST ROOM/rotate', room.viewer_token)).code, 'NOT_ALLOWED');
    const rotated = RotateReply.parse((await call('POST ROOM/rotate', room.owner_token)).body);
    assert.deepEqual(await closedWith(member), [CLOSE.refused, 'TOKEN_REFUSED']);
    assert.deepEqual(await closedWith(viewer), [CLOSE.refused, 'TOKEN_REFUSED']);
    await owner.settled();
    for (const old of [room.token, room.viewer_token]) {
      await assert.rejects(join('back', old), { code: 'TOKEN_REFUSED' });
      assert.equal((await call('GET ROOM', old)).status, 403);
    }
    await (await join('back', rotated.token)).close();
    assert.equal(RoomReply.parse((await call('GET ROOM', rotated.viewer_token)).body).role, 'viewer');
    await owner.close();
  });

  it('refuses a member whom its owner has removed, by the name of a peer too, and nobody else', async () => {
    const [mallory, other] = [await join('m', room.token, { user: 'mallory' }), await join('o', room.token)];
    assert.equal((await call('POST ROOM/remove-member', room.token, { member: 'o' })).code, 'NOT_ALLOWED');
    const reply = await call('POST ROOM/remove-member', room.owner_token, { member: 'm' }, 'owner');
    assert.equal(RemoveMemberReply.parse(reply.body).user_id, 'mallory');
    assert.deepEqual(await closedWith(mallory), [CLOSE.refused, 'NOT_ALLOWED']);
    await assert.rejects(join('m', room.token, { user: 'mallory' }), { code: 'NOT_ALLOWED' });
    assert.equal((await call('GET ROOM/jobs', room.token, undefined, 'mallory')).code, 'NOT_ALLOWED');
    await other.settled();
    await other.close();
  });

  it('is deleted with its models and its jobs end, if the owner repeats its name', async () => {
    backends.manifests.set(room.room_id, '{}');
    backends.links.set(`${room.room_id}/a3f5e8c9`, []);
    assert.equal((await call('POST ROOM/jobs', room.token, spec)).status, 200);
    const peer = await join('member', room.token);
    assert.equal((await call('POST ROOM/delete', room.token, { confirm: room.room_id })).code, 'NOT_ALLOWED');
    assert.equal((await call('POST ROOM/delete', room.owner_token, { confirm: 'other-room' })).code, 'USAGE');
    await peer.settled();

    backends.storageUnavailable = true;
    const confirm = { confirm: room.room_id };
    assert.equal((await call('POST ROOM/delete', room.owner_token, confirm)).code, 'STORAGE_UNREACHABLE');
    assert.deepEqual(await closedWith(peer), [CLOSE.refused, 'TOKEN_REFUSED']);
    backends.storageUnavailable = false;
    assert.equal((await call('POST ROOM/delete', room.owner_token, confirm)).status, 200, 'may be repeated');
    assert.deepEqual([backends.manifests.size, backends.links.size], [0, 0]);
    assert.equal(backends.jobs.all.get('job00000001')?.status.phase, 'cancelled');
    const unknown = await ask(server.url, 'GET /api/rooms/no-such-room', { idToken: 'id-x', roomToken: 'x' });
    for (const token of [room.token, room.owner_token, 'wrong']) {
      const { status, code } = await call('GET ROOM', token);
      assert.deepEqual([status, code], [unknown.status, unknown.code]);
      await assert.rejects(join('back', token), { code: 'TOKEN_REFUSED' });
    }
  });

  it('lets a viewer read jobs and models, and do nothing else', async () => {
    await call('POST ROOM/jobs', room.token, spec);
    backends.links.set(`${room.room_id}/a3f5e8c9`, []);
    for (const path of [
      '',
      '/jobs',
      '/jobs/job00000001',
      '/jobs/job00000001/curve',
      '/manifest',
      '/models/a3f5e8c9/files',
    ])
      assert.equal((await call(`GET ROOM${path}`, room.viewer_token)).status, 200, path);
    for (const path of ['/jobs', '/open', '/rotate', '/remove-member', '/delete', '/jobs/job00000001/cancel']) {
      const { code } = await call(`POST ROOM${path}`, room.viewer_token, path === '/jobs' ? spec : {});
      assert.equal(code, 'NOT_ALLOWED', path);
    }
    await assert.rejects(join('w', room.viewer_token, { role: 'worker' }), { code: 'NOT_ALLOWED' });
    const [victim, viewer] = [await join('victim', room.token), await join('viewer', room.viewer_token)];
    await victim.nextOf('peer_joined');
    const connection_id = 'connection-1';
    const refused: ClientMessage[] = [
      { type: 'update_metadata', metadata },
      { type: 'peer_message', to_peer_id: '*', payload: { type: 'drain_request', drain: true, exit: true } },
      { type: 'offer', target: 'victim', connection_id, sdp: 'v=0', purpose: { job_id: 'job00000001', kind: 'live' } },
      { type: 'answer', target: 'victim', connection_id, sdp: 'v=0' },
      { type: 'candidate', target: 'victim', connection_id, candidate: null },
      { type: 'job_progress', session_id: 's', progress: { job_id: 'job00000001' } },
    ];
    for (const message of refused) {
      viewer.send(message);
      assert.equal((await viewer.nextOf('error')).code, 'NOT_ALLOWED', message.type);
    }
    viewer.send({ type: 'subscribe_jobs' });
    assert.equal((await viewer.nextOf('jobs_subscribed')).jobs?.length, 1);
    await victim.settled();
    assert.deepEqual(victim.received, []);
    await Promise.all([victim.close(), viewer.close()]);
  });

  it('closes a socket when its identity ends', async () => {
    const { verifyIdToken } = backends;
    await server.stop();
    backends.verifyIdToken = async (token) => ({ ...(await verifyIdToken(token)), expires_at_ms: Date.now() + 300 });
    server = await startSignalingServer(memoryConfig(), { backends, logger: pino({ level: 'silent' }) });
    const peer = await join('member', room.token);
    assert.equal((await peer.nextOf('error')).code, 'SIGN_IN_REQUIRED');
    assert.deepEqual(await closedWith(peer), [CLOSE.refused, 'SIGN_IN_REQUIRED']);
  });

  it('lets in nobody whom the owner shut out while they entered', async () => {
    const { store } = backends.rooms;
    const { extend } = store;
    const rotating = Promise.withResolvers<void>();
    const { get } = store;
    store.get = async (roomId) => {
      const found = await get(roomId);
      store.get = get;
      await call('POST ROOM/rotate', room.owner_token);
      rotating.resolve();
      return found;
    };
    await assert.rejects(join('late', room.token), { code: 'TOKEN_REFUSED' });
    await rotating.promise;
    store.extend = extend;
  });
});
