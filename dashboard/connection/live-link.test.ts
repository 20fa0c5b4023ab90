import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket as ServerSocket, WebSocketServer } from 'ws';
import type { ServerMessage } from '../../protocol/wire/signaling.ts';
import { LiveLink, type LiveLinkOptions } from './live-link.ts';

const invite = { room: 'lab-mice', token: 'token' };
const registered: ServerMessage = {
  type: 'registered_auth',
  room_id: 'lab-mice',
  peer_id: 'dashboard-1',
  peer_list: [],
  ice_servers: [],
};

describe('the live connection, over real sockets', () => {
  let server: WebSocketServer;
  let links: LiveLink[];
  let sockets: ReturnType<typeof on>;

  beforeEach(async () => {
    links = [];
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    sockets = on(server, 'connection');
  });
  afterEach(() => {
    for (const link of links) link.stop();
    for (const socket of server.clients) socket.terminate();
    server.close();
  });

  const nextSocket = async (): Promise<ServerSocket> => (await sockets.next()).value[0];
  const say = (socket: ServerSocket, message: ServerMessage): void => socket.send(JSON.stringify(message));

  /** Starts a link; its states can be waited for. */
  function start(more: Partial<LiveLinkOptions> = {}) {
    const states: string[] = [];
    const waiting = new Map<string, () => void>();
    const link = new LiveLink({
      url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
      invite,
      idToken: async () => 'id-token',
      onSignedOut: () => undefined,
      onMessage: () => undefined,
      onState: ({ state }) => {
        states.push(state);
        waiting.get(state)?.();
      },
      onRefused: () => undefined,
      waitsMs: [5],
      ...more,
    });
    links.push(link);
    link.start();
    return { link, states, until: (state: string) => new Promise<void>((resolve) => waiting.set(state, resolve)) };
  }

  it('registers as a dashboard of the room, with a name of its own', async () => {
    start();
    const socket = await nextSocket();
    const [data] = await once(socket, 'message');
    const { peer_id, ...rest } = JSON.parse(String(data));
    assert.match(peer_id, /^dashboard-[0-9a-z]{2,14}$/);
    assert.deepEqual(rest, {
      type: 'register',
      room_id: 'lab-mice',
      role: 'dashboard',
      token: 'token',
      id_token: 'id-token',
      metadata: { tags: [], properties: {} },
    });
  });

  it('comes back by itself after the connection was lost, under the same name', async () => {
    const { states, until } = start();
    const names: string[] = [];
    for (const round of [1, 2]) {
      const socket = await nextSocket();
      const [data] = await once(socket, 'message');
      names.push(JSON.parse(String(data)).peer_id);
      const live = until('live');
      say(socket, registered);
      await live;
      if (round === 1) socket.terminate();
    }
    assert.deepEqual(states, ['connecting', 'live', 'lost', 'live']);
    assert.equal(names[0], names[1]);
  });

  it('retries while nobody can sign in', async () => {
    let attempts = 0;
    start({
      idToken: async () => {
        attempts += 1;
        if (attempts < 3) throw new Error('the server is unavailable');
        return 'id-token';
      },
    });
    await nextSocket();
    assert.equal(attempts, 3);
  });

  it('gives up if the invite does not open the room', async () => {
    const refused = Promise.withResolvers<void>();
    const { states } = start({ onRefused: () => refused.resolve() });
    const socket = await nextSocket();
    await once(socket, 'message');
    const closed = once(socket, 'close');
    say(socket, { type: 'error', code: 'TOKEN_REFUSED', message: 'This token does not open the room.' });
    socket.close(4001);
    await refused.promise;
    await closed;
    assert.deepEqual(states, ['connecting']);
  });

  it('asks for a new identity if the old one has expired', async () => {
    const signedOut: string[] = [];
    start({ onSignedOut: (idToken) => void signedOut.push(idToken) });
    const socket = await nextSocket();
    await once(socket, 'message');
    say(socket, { type: 'error', code: 'SIGN_IN_REQUIRED', message: 'The identity token has expired.' });
    socket.close(4001);
    await nextSocket();
    assert.deepEqual(signedOut, ['id-token']);
  });
});
