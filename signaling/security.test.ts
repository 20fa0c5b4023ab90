import assert from 'node:assert/strict';
import type { Router } from 'express';
import fc from 'fast-check';
import pino from 'pino';
import type { ClientMessage } from '../protocol/wire/signaling.ts';
import { curveRoutes } from './api/curve-routes.ts';
import { jobRoutes } from './api/job-routes.ts';
import { modelRoutes } from './api/model-routes.ts';
import { openRoutes } from './api/open-routes.ts';
import { ownerRoutes } from './api/owner-routes.ts';
import { roomRoutes } from './api/room-routes.ts';
import { CLOSE } from './peers/limits.ts';
import { type SignalingServer, startSignalingServer } from './server.ts';
import { ask, type Credentials, signIn } from './testing/api-client.ts';
import { TestPeer } from './testing/test-peer.ts';
import { newRoom, type TestRoom } from './testing/test-room.ts';
import { startTestServers, type TestServers } from './testing/test-servers.ts';

const status = { type: 'drain_response', status: 'busy', job_id: null } as const;
const metadata = { tags: [], properties: {} };

/** One message of every type but `register`. */
const messages: Exclude<ClientMessage, { type: 'register' }>[] = [
  { type: 'discover_peers', filters: {} },
  { type: 'peer_message', to_peer_id: 'victim', payload: status },
  { type: 'peer_message', to_peer_id: '*', payload: status },
  {
    type: 'offer',
    target: 'victim',
    connection_id: 'connection-1',
    sdp: 'v=0',
    purpose: { job_id: 'job00000001', kind: 'dataset' },
  },
  { type: 'answer', target: 'victim', connection_id: 'connection-1', sdp: 'v=0' },
  { type: 'candidate', target: 'victim', connection_id: 'connection-1', candidate: null },
  { type: 'update_metadata', metadata },
  { type: 'ping' },
];

/** Every route that the server has, as `METHOD path`. */
function routesOf(...routers: Router[]): string[] {
  return routers
    .flatMap(({ stack }) => stack)
    .flatMap(({ route }) => {
      if (route === undefined) return [];
      const methods = new Set(route.stack.map(({ method }) => method.toUpperCase()));
      return [...methods].map((method) => `${method} ${route.path}`);
    });
}

describe('security of the signaling server', () => {
  let servers: TestServers;
  let server: SignalingServer;
  let url: string;
  let room: TestRoom;
  let otherRoom: TestRoom;
  const logged: string[] = [];

  /** All routes but the two open ones; read from the routers, so that a new one cannot be forgotten here. */
  const parts = {
    rooms: {},
    verifyIdToken: {},
    directory: {},
    jobs: {},
    files: {},
    roomsPerMinute: 1,
    roomsPerDay: 1,
    jobsPerMinute: 1,
    limits: {},
  } as never;
  const guarded = routesOf(
    roomRoutes(parts),
    ownerRoutes(parts),
    modelRoutes(parts),
    jobRoutes(parts),
    curveRoutes(parts),
  );
  const ofRooms = guarded.filter((route) => route.includes(':room'));
  const at = (route: string, roomId: string) =>
    route.replace(':room', roomId).replace(':job', 'job00000001').replace(':model', 'a3f5e8c9');

  before(async function () {
    this.timeout(60_000);
    servers = await startTestServers(['s3', 'dynamodb', 'cognito']);
    const logger = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
    server = await startSignalingServer(servers.config, { logger, aws: servers.aws() });
    url = server.url;
    [room, otherRoom] = await Promise.all([newRoom(url), newRoom(url)]);
  });
  after(async () => {
    await server?.stop();
    await servers?.[Symbol.asyncDispose]();
  });

  it('covers the endpoints that exist', () => {
    assert.deepEqual(routesOf(openRoutes({ signIn: {}, signInsPerMinute: 1 } as never)), [
      'GET /health',
      'POST /anonymous-signin',
      'POST /refresh-signin',
    ]);
    assert.ok(guarded.length >= 9, guarded.join(', '));
    assert.deepEqual(
      guarded.filter((route) => !ofRooms.includes(route)),
      ['POST /api/rooms'],
    );
  });

  it('lets nobody use any route without a valid identity token', async () => {
    const altered = `${room.idToken.slice(0, -8)}AAAAAAAA`;
    for (const route of guarded) {
      for (const idToken of [undefined, '', 'x', altered, room.token]) {
        const credentials: Credentials = { idToken, roomToken: room.token };
        const reply = await ask(url, at(route, room.room_id), credentials);
        assert.deepEqual([reply.status, reply.code], [401, 'SIGN_IN_REQUIRED'], `${route} with ${idToken}`);
      }
    }
  });

  it('lets nobody into a room without its token, also not with another room’s', async () => {
    for (const route of ofRooms) {
      for (const roomToken of [undefined, '', 'wrong', otherRoom.token, room.idToken]) {
        const reply = await ask(url, at(route, room.room_id), { idToken: room.idToken, roomToken });
        assert.deepEqual([reply.status, reply.code], [403, 'TOKEN_REFUSED'], `${route} with ${roomToken}`);
      }
    }
  });

  it('refuses a room that does not exist like a wrong token, whatever its name', async () => {
    for (const route of ofRooms) {
      for (const name of ['no-such-room', '..%2f..', '%00', 'A', 'x'.repeat(500), "a'%20OR%201=1"]) {
        const reply = await ask(url, at(route, name), { idToken: room.idToken, roomToken: room.token });
        assert.deepEqual([reply.status, reply.code], [403, 'TOKEN_REFUSED'], `${route} with ${name}`);
      }
    }
  });

  it('does nothing for a socket that has not registered', async () => {
    const victim = await room.join('victim');
    for (const message of messages) {
      const stranger = await TestPeer.open(url);
      stranger.send(message);
      assert.equal((await stranger.nextOf('error')).code, 'SIGN_IN_REQUIRED', message.type);
      assert.equal((await stranger.closed).code, CLOSE.refused);
    }
    await victim.settled();
    assert.deepEqual(victim.received, []);
    await victim.close();
  });

  it('does nothing for a socket whose registration was refused, also not for what it sent at once behind it', async () => {
    const victim = await room.join('victim');
    const good = { room_id: room.room_id, token: room.token, id_token: room.idToken };
    for (const [wrong, code] of [
      [{ id_token: 'x' }, 'SIGN_IN_REQUIRED'],
      [{ token: 'wrong' }, 'TOKEN_REFUSED'],
      [{ token: otherRoom.token }, 'TOKEN_REFUSED'],
      [{ room_id: 'no-such-room' }, 'TOKEN_REFUSED'],
      [{ room_id: '../etc' }, 'MESSAGE_INVALID'],
    ] as const) {
      const stranger = await TestPeer.open(url);
      const register = { type: 'register', peer_id: 'stranger', role: 'worker', metadata, ...good, ...wrong } as const;
      stranger.send(register);
      await Promise.all([stranger.nextOf('error'), stranger.closed]).then(([error]) => assert.equal(error.code, code));

      const hasty = await TestPeer.open(url);
      hasty.send(register);
      for (const message of messages) hasty.send(message);
      assert.equal((await hasty.closed).code, CLOSE.refused);
    }
    await victim.settled();
    assert.deepEqual(victim.received, []);
    await victim.close();
  });

  it('survives any message', async function () {
    this.timeout(60_000);
    let peer = await room.join('fuzzer');
    const anything = fc.oneof(
      fc.json(),
      fc.string(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      // A real message with one part replaced by anything.
      fc
        .tuple(
          fc.constantFrom(...messages),
          fc.constantFrom('target', 'payload', 'filters', 'metadata', 'sdp', 'type'),
          fc.jsonValue(),
        )
        .map(([message, key, value]) => JSON.stringify({ ...message, [key]: value })),
      fc
        .jsonValue()
        .map(
          (value) =>
            `{"__proto__":${JSON.stringify(value)},"type":"update_metadata","metadata":{"properties":{"__proto__":1}}}`,
        ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { maxLength: 20 }), async (texts) => {
        for (const text of texts) peer.send(text);
        await peer.settled();
        peer.received.length = 0;
        // A new socket has its full message rate again.
        if (peer.socket.readyState !== peer.socket.OPEN) peer = await room.join('fuzzer');
      }),
      { numRuns: 40 },
    );
    await peer.close();
    assert.equal((await ask(url, 'GET /health')).status, 200);
  });

  it('answers malformed requests with an ErrorReply, without internal details', async () => {
    const member = { idToken: room.idToken, roomToken: room.token };
    const jobs = `POST /api/rooms/${room.room_id}/jobs`;
    for (const [request, options, expected] of [
      [jobs, { body: '{"kind":' }, [400, 'MESSAGE_INVALID']],
      [jobs, { body: '{}' }, [400, 'MESSAGE_INVALID']],
      [jobs, { body: { kind: 'training', job_id: '../x' } }, [400, 'MESSAGE_INVALID']],
      [jobs, {}, [400, 'MESSAGE_INVALID']],
      [jobs, { body: JSON.stringify('x'.repeat(2_000_000)) }, [413, 'MESSAGE_TOO_LARGE']],
      ['POST /api/rooms', { body: { room_id: 'UPPER' } }, [400, 'MESSAGE_INVALID']],
      [`GET /api/rooms/${room.room_id}/jobs/..%2f`, {}, [404, 'JOB_NOT_FOUND']],
      [`GET /api/rooms/${room.room_id}/jobs/job00000001?wait_ms=1e9`, {}, [400, 'MESSAGE_INVALID']],
      [`GET /api/rooms/${room.room_id}/models/..%2f..%2f/files`, {}, [404, 'MODEL_NOT_FOUND']],
      ['GET /api/rooms/%E0%A4%A', {}, [400, 'MESSAGE_INVALID']],
      ['GET /nowhere', {}, [404, 'USAGE']],
      ['GET /ws', {}, [404, 'USAGE']],
      ['GET /ws/.websocket', {}, [404, 'USAGE']],
    ] as const) {
      const reply = await ask(url, request, { ...member, ...options });
      assert.deepEqual([reply.status, reply.code], expected, request);
      assert.doesNotMatch(JSON.stringify(reply.body), /node_modules|\.ts:/);
    }
  });

  it('does not name its software, and forbids browsers to cache, frame or guess types', async () => {
    const { headers } = await ask(url, 'GET /health');
    assert.equal(headers.get('x-powered-by'), null);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
  });

  it('logs requests by route and room, and no token or secret', () => {
    const lines = logged.map((line) => JSON.parse(line));
    assert.ok(
      lines.some((line) => line.route === '/api/rooms/:room/jobs' && line.room === room.room_id && line.ms >= 0),
    );
    const all = logged.join('');
    for (const secret of [room.token, room.idToken, otherRoom.token, servers.config.ice.turnSecret ?? 'none']) {
      assert.ok(!all.includes(secret));
    }
  });

  it('limits the sign-ins of one address', async () => {
    const limited = await startSignalingServer(
      { ...servers.config, limits: { ...servers.config.limits, signInsPerMinute: 2 } },
      { logger: pino({ level: 'silent' }), aws: servers.aws() },
    );
    try {
      await Promise.all([signIn(limited.url), signIn(limited.url)]);
      const refused = await ask(limited.url, 'POST /anonymous-signin');
      assert.deepEqual([refused.status, refused.code], [429, 'LIMIT_REACHED']);
      assert.ok(Number(refused.headers.get('retry-after')) > 0);
    } finally {
      await limited.stop();
    }
  });
});
