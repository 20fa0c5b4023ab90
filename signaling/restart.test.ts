import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import pino from 'pino';
import { SignalingClient } from '../transport/index.ts';
import { Temporal } from './jobs/temporal.ts';
import { TemporalJobs } from './jobs/temporal-jobs.ts';
import { startSignalingServer } from './server.ts';
import { newRoom } from './testing/test-room.ts';
import { startTestServers, type TestServers } from './testing/test-servers.ts';

const logger = pino({ level: 'silent' });

/** A connection to a server that a test can cut and restore, at one address. */
class Line {
  readonly #target: number;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  port = 0;

  constructor(target: number) {
    this.#target = target;
  }

  async mend(): Promise<void> {
    this.#server = createServer((near) => {
      const far = connect(this.#target, '127.0.0.1');
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy()).on('close', () => other.destroy());
      }
      near.pipe(far).pipe(near);
    }).listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async cut(): Promise<void> {
    const closed = once(this.#server ?? assert.fail('mended first'), 'close');
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

describe('after a restart', () => {
  let servers: TestServers;
  before(async function () {
    this.timeout(60_000);
    servers = await startTestServers(['s3', 'dynamodb', 'cognito', 'temporal']);
  });
  after(async () => servers?.[Symbol.asyncDispose]());

  it('of the signaling server, peers come back by themselves, and meanwhile no job reports that there is no worker', async () => {
    const first = await startSignalingServer(servers.config, { logger, aws: servers.aws() });
    const room = await newRoom(first.url);
    const join = (peerId: string, role: 'worker' | 'client') =>
      SignalingClient.connect({
        serverUrl: first.url,
        roomId: room.room_id,
        token: room.token,
        identity: { idToken: async () => room.idToken, refused: () => undefined },
        peerId,
        role,
        metadata: { tags: [], properties: { status: 'available' } },
      });
    const [worker, client] = [await join('w1', 'worker'), await join('c1', 'client')];
    const back = (peer: SignalingClient) => new Promise<void>((resolve) => peer.on('connected', () => resolve()));
    const bothBack = Promise.all([back(worker), back(client)]);
    await first.stop();

    const config = { ...servers.config, port: Number(new URL(first.url).port) };
    const second = await startSignalingServer(config, { logger, aws: servers.aws() });
    try {
      const stranger = await room.join('c2');
      stranger.send({ type: 'discover_peers', filters: { role: 'worker' } });
      assert.deepEqual(
        (await stranger.nextOf('peer_list')).peers.map(({ peer_id }) => peer_id),
        ['w1'],
      );
      await bothBack;
      const available = await client.discoverPeers({ role: 'worker', properties: { status: 'available' } });
      assert.deepEqual(
        available.map(({ peer_id }) => peer_id),
        ['w1'],
      );
      await stranger.close();
    } finally {
      await Promise.all([worker.close(), client.close()]);
      await second.stop();
    }
  });

  it('of Temporal, jobs are reached again without a restart of ours', async () => {
    const { address, namespace } = servers.config.temporal;
    const line = new Line(Number(address.split(':')[1]));
    await line.mend();
    const temporal = new Temporal({ address: `127.0.0.1:${line.port}`, namespace });
    const jobs = new TemporalJobs(temporal, { namespace, uiUrl: null });
    try {
      assert.deepEqual(await jobs.list('room-a'), []);
      await line.cut();
      await assert.rejects(jobs.list('room-a'), { code: 'TEMPORAL_UNREACHABLE' });
      await line.mend();
      const startedAt = performance.now();
      while (!(await jobs.list('room-a').catch(() => undefined))) {
        assert.ok(performance.now() - startedAt < 5000, 'Temporal is back, but not found again');
      }
    } finally {
      await temporal.close();
      await line.cut();
    }
  });
});
