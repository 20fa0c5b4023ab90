import assert from 'node:assert/strict';
import pino from 'pino';
import { WebSocket } from 'ws';
import type { TrainingSpec } from '../protocol/jobs/job.ts';
import type { ServerMessage } from '../protocol/wire/signaling.ts';
import { RoomJobs } from './job-views/room-jobs.ts';
import { type SignalingServer, startSignalingServer } from './server.ts';
import { ask } from './testing/api-client.ts';
import { createMemoryBackends, type MemoryBackends, memoryConfig } from './testing/memory-backends.ts';
import { newRoom, type TestRoom } from './testing/test-room.ts';

const logger = pino({ level: 'silent' });
const file = { path: 'flies.pkg.slp', size_bytes: 10, sha256: 'a'.repeat(64) };

function spec(job_id: string, size_bytes = 10): TrainingSpec {
  return {
    kind: 'training',
    job_id,
    name: 'flies.pkg.slp',
    files: [
      { ...file, size_bytes },
      { ...file, path: 'c.yaml' },
    ],
    requirements: {},
    stage: true,
    runs: [{ name: 'c', config: 'c.yaml', train_labels: [file.path], val_labels: [], model_type: 'centroid' }],
    notes: '',
    tags: [],
  };
}

describe('a server that several people and attackers use', () => {
  let backends: MemoryBackends;
  let server: SignalingServer;
  let room: TestRoom;

  async function start(limits: object = {}, options: object = {}): Promise<void> {
    backends = createMemoryBackends();
    const config = memoryConfig();
    server = await startSignalingServer(
      { ...config, limits: { ...config.limits, trustedProxies: 1, ...limits } },
      { logger, backends, ...options },
    );
    room = await newRoom(server.url);
  }
  afterEach(() => server?.stop());

  const post = (path: string, body: object) =>
    ask(server.url, `POST /api/rooms/${room.room_id}/jobs${path}`, {
      idToken: room.idToken,
      roomToken: room.token,
      body,
    });
  const submit = async (id: string, bytes?: number) => {
    const { status, code } = await post('', spec(id, bytes));
    return status === 200 ? status : `${status} ${code}`;
  };

  it('opens so many sockets of one address, and still those of others', async () => {
    await start({ socketsPerAddress: 2 });
    const open = async (address: string) => {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws`, {
        headers: { 'x-forwarded-for': `203.0.113.9, ${address}` },
      });
      return new Promise<WebSocket | string>((resolve) => {
        socket.on('open', () => resolve(socket));
        socket.on('error', ({ message }) => resolve(message));
      });
    };
    const first = await open('192.0.2.1');
    await open('192.0.2.1');
    assert.equal(await open('192.0.2.1'), 'Unexpected server response: 429');
    assert.ok((await open('192.0.2.2')) instanceof WebSocket);
    assert.ok(first instanceof WebSocket);
    const closed = new Promise((resolve) => first.once('close', resolve));
    first.close();
    await closed;
    assert.ok((await open('192.0.2.1')) instanceof WebSocket, 'one that has closed counts no more');
  });

  it('takes so many jobs of one user and one room, however often one is sent again, and none that is too large', async () => {
    await start({ jobsPerUser: 2, jobGb: 1 });
    assert.equal(await submit('job00000001', 2e9), '400 USAGE');
    assert.equal(await submit('job00000001'), 200);
    assert.equal(await submit('job00000002'), 200);
    assert.equal(await submit('job00000003'), '429 LIMIT_REACHED');
    assert.equal(await submit('job00000002'), 200, 'its answer may have been lost');
    backends.jobs.update('job00000001', { phase: 'done' });
    assert.equal(await submit('job00000003'), 200);
  });

  it('takes so many submissions a minute', async () => {
    await start({ jobsPerMinute: 3 });
    const answers = [];
    for (const n of [1, 2, 3, 4]) answers.push(await submit(`job0000000${n}`));
    assert.deepEqual(answers, [200, 200, 200, '429 LIMIT_REACHED']);
  });

  it('lets nobody use up the actions that a job can take, and a job can still be cancelled then', async () => {
    await start();
    await submit('job00000001');
    const codes = new Map<string, number>();
    for (let n = 0; n < 60; n += 1) {
      const { code = 'ok' } = await post(`/job00000001/${n % 2 === 0 ? 'pause' : 'resume'}`, {});
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    assert.ok((codes.get('ok') ?? 0) <= 25, JSON.stringify([...codes]));
    assert.ok((codes.get('LIMIT_REACHED') ?? 0) >= 30);
    const again = { request_id: 'request-0001' };
    assert.equal((await post('/job00000001/cancel', again)).status, 200);
  });

  it('sends a message for everyone as often as that costs little', async () => {
    await start();
    const [flood, ...others] = await Promise.all(['flood', 'a', 'b', 'c', 'd'].map((name) => room.join(name)));
    const properties = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`p${i}`, 'x'.repeat(1000)]));
    for (let n = 0; n < 150; n += 1)
      flood?.send({ type: 'update_metadata', request_id: `u${n}`, metadata: { tags: [], properties } });
    await flood?.next(({ type }) => type === 'error');
    const updates = () => others[0]?.received.filter(({ type }) => type === 'peer_updated').length ?? 0;
    await others[0]?.settled();
    assert.ok(updates() > 50 && updates() < 140, `${updates()} updates`);
  });
});

describe('the jobs of a room that are listed for the first time', () => {
  it('are each sent to a reader a few times, however many they are', () => {
    const sent: ServerMessage[] = [];
    const room = new RoomJobs({
      roomId: 'room-a',
      uiUrl: () => null,
      peers: () => [],
      onProgress: () => undefined,
      onEnd: () => undefined,
      onChange: () => undefined,
    });
    room.readers.set({ send: (message) => sent.push(message) }, { jobId: undefined, isLive: true, isWaiting: false });
    const jobs = Array.from({ length: 300 }, (_, n) => ({
      status: {
        job_id: `job${10_000_000 + n}`,
        kind: 'training' as const,
        name: 'x',
        user_id: 'user-1',
        phase: 'queued' as const,
        detail: 'waits',
        worker: null,
        models: [],
        submitted_at: new Date(1e12 + n).toISOString(),
        error: null,
      },
      requirements: {},
      sessionId: null,
      complete: false,
    }));
    room.allReported(jobs, performance.now());
    assert.equal(room.jobs.size, 300);
    assert.ok(sent.length <= 600, `${sent.length} messages`);
    assert.equal(room.jobs.get('job10000299')?.view.waiting?.position, 300);
  });
});
