import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { EVERYONE, type PeerMetadata, type ServerMessage } from '../../protocol/wire/signaling.ts';
import { identityOf, join } from '../testing/join.ts';
import { Owned } from '../testing/owned.ts';
import { TestSignaling } from '../testing/test-signaling.ts';
import type { SignalingClient } from './signaling-client.ts';
import type { SignalingEvents } from './signaling-events.ts';

const status = { type: 'drain_response', status: 'available', job_id: null } as const;

describe('the signaling client', () => {
  const owned = new Owned();
  let signaling: TestSignaling;

  beforeEach(async () => {
    signaling = owned.add(await TestSignaling.start());
  });
  afterEach(owned.end);

  const joinAs = async (peerId: string, options?: Parameters<typeof join>[2]) =>
    owned.add(await join(signaling.url, peerId, options));

  it('registers, finds peers, and exchanges messages', async () => {
    const worker = await joinAs('worker-1', { metadata: { tags: ['a40'], properties: { gpu_memory_mb: 8000 } } });
    const joined = next(worker, 'peer_joined');
    const client = await joinAs('client-1');
    assert.equal((await joined).peer.peer_id, 'client-1');
    const [found] = await client.discoverPeers({ role: 'worker' });
    assert.deepEqual([found?.peer_id, found?.metadata.tags], ['worker-1', ['a40']]);

    const received = next(client, 'peer_message');
    await worker.sendPeerMessage('client-1', status);
    assert.deepEqual(await received, { type: 'peer_message', from_peer_id: 'worker-1', payload: status });
    await worker.sendPeerMessage(EVERYONE, status);

    const left = next(worker, 'peer_left');
    await client.close();
    assert.equal((await left).peer_id, 'client-1');
    await assert.rejects(client.discoverPeers({}), { code: 'SERVER_UNREACHABLE' });
  });

  it('reports why it cannot register', async () => {
    await assert.rejects(joinAs('client-1', { token: 'wrong' }), {
      code: 'TOKEN_REFUSED',
      message: 'There is no room test-room with this token.',
    });
    await assert.rejects(join('http://127.0.0.1:1', 'client-1'), { code: 'SERVER_UNREACHABLE' });
    await assert.rejects(join('not a url', 'client-1'), { code: 'SERVER_UNREACHABLE' });
    const identity = { idToken: () => Promise.reject(new Error('no sign-in')), refused: () => undefined };
    await assert.rejects(joinAs('client-1', { identity }), {
      message: 'no sign-in',
    });
  });

  it('gets another token if the server refuses the one that it has, at the start and later', async () => {
    const tokens = ['x', 'id-1', 'id-1', 'y', 'id-2'];
    const identity = { idToken: async () => tokens[0] ?? '', refused: () => void tokens.shift() };
    const worker = await joinAs('worker-1', { identity });
    assert.equal(signaling.registrations.at(-1)?.id_token, 'id-1');
    tokens.splice(0, 2);
    const back = next(worker, 'connected');
    signaling.drop();
    await back;
    assert.equal(signaling.registrations.at(-1)?.id_token, 'id-2');
    assert.deepEqual(tokens, ['id-2']);
  });

  it('reports that its name was taken while it was away', async () => {
    let mayReturn = Promise.resolve();
    const idToken = () => mayReturn.then(() => 'id-of-alice');
    const worker = await joinAs('worker-1', { identity: { idToken, refused: () => undefined } });
    const refused = next(worker, 'refused');
    const isTaken = Promise.withResolvers<void>();
    mayReturn = isTaken.promise;
    const lost = next(worker, 'disconnected');
    signaling.drop();
    await lost;
    await joinAs('worker-1', { identity: identityOf('id-of-bob') });
    isTaken.resolve();
    assert.equal((await refused).error.code, 'PEER_ID_TAKEN');
  });

  it('reconnects after a cut, as the same peer, with its newest metadata and a new identity token', async () => {
    let tokens = 0;
    const worker = await joinAs('worker-1', {
      identity: {
        idToken: () => {
          tokens += 1;
          return Promise.resolve(`id-token-${tokens}`);
        },
        refused: () => undefined,
      },
    });
    const busy: PeerMetadata = { tags: [], properties: { status: 'busy' } };
    await worker.updateMetadata(busy);
    const back = next(worker, 'connected');
    const lost = next(worker, 'disconnected');
    signaling.drop();
    await lost;
    assert.equal(worker.connected, false);
    await back;
    assert.equal(worker.connected, true);
    const { peer_id, metadata, id_token } = signaling.registrations.at(-1) ?? {};
    assert.deepEqual([peer_id, metadata, id_token], ['worker-1', busy, 'id-token-2']);
  });

  it('keeps trying while the server is unavailable, and requests wait for it', async () => {
    const worker = await joinAs('worker-1');
    const lost = next(worker, 'disconnected');
    const { port } = signaling;
    await signaling[Symbol.asyncDispose]();
    await lost;
    const finding = worker.discoverPeers({});
    signaling = owned.add(await TestSignaling.start({ port }));
    assert.deepEqual(await finding, []);
  });

  it('repeats a request whose reply was lost with the connection', async () => {
    const worker = await joinAs('worker-1');
    signaling.hang = true;
    const finding = worker.discoverPeers({});
    signaling.hang = false;
    signaling.drop();
    assert.deepEqual(await finding, []);
  });

  it('notices within 5 s a server that has fallen silent, and within 6 s one that never sent anything', async () => {
    const sockets = new Set<Socket>();
    const mute = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as AddressInfo;
    const startedAt = performance.now();
    const refused = assert.rejects(join(`http://127.0.0.1:${port}`, 'client-1'), { code: 'SERVER_UNREACHABLE' });

    const worker = await joinAs('worker-1');
    const lost = next(worker, 'disconnected');
    signaling.hang = true;
    const silentSince = performance.now();
    await lost;
    assert.ok(performance.now() - silentSince < 5_000);
    await refused;
    assert.ok(performance.now() - startedAt < 6_000);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  it('is stopped by its abort signal, also while reconnecting', async () => {
    const abort = new AbortController();
    const worker = await joinAs('worker-1', { signal: abort.signal });
    const { url } = signaling;
    const lost = next(worker, 'disconnected');
    await signaling[Symbol.asyncDispose]();
    await lost;
    const finding = worker.discoverPeers({});
    abort.abort();
    await assert.rejects(finding, { code: 'SERVER_UNREACHABLE' });
    await assert.rejects(join(url, 'worker-2', { signal: abort.signal }), { name: 'AbortError' });
  });

  it('ignores messages that it does not know, and a listener that throws', async () => {
    const worker = await joinAs('worker-1');
    signaling.sendTo('worker-1', 'not json');
    signaling.sendTo('worker-1', JSON.stringify({ type: 'from_the_future' }));
    worker.on('peer_message', () => {
      throw new Error('broken listener');
    });
    const received = next(worker, 'peer_message');
    const message: ServerMessage = { type: 'peer_message', from_peer_id: 'client-1', payload: status };
    signaling.sendTo('worker-1', message);
    assert.deepEqual(await received, message);
  });
});

/** The next event of that name. */
function next<Name extends keyof SignalingEvents>(
  client: SignalingClient,
  event: Name,
): Promise<SignalingEvents[Name]> {
  const { promise, resolve } = Promise.withResolvers<SignalingEvents[Name]>();
  const stop = client.on(event, (value) => {
    stop();
    resolve(value);
  });
  return promise;
}
