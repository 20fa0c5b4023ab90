import assert from 'node:assert/strict';
import pino from 'pino';
import type { TrainingSpec } from '../../protocol/jobs/job.ts';
import { JobView, type Waiting } from '../../protocol/jobs/job-view.ts';
import { Manifest } from '../../protocol/models/manifest.ts';
import { JobListReply, JobLogReply, ModelFilesReply, ResultFilesReply, RoomReply } from '../../protocol/wire/api.ts';
import { Bucket } from '../../storage/index.ts';
import type { AwsClients } from '../aws.ts';
import { type SignalingServer, startSignalingServer } from '../server.ts';
import { ask } from '../testing/api-client.ts';
import { newRoom, type TestRoom } from '../testing/test-room.ts';
import { startTestServers, type TestServers } from '../testing/test-servers.ts';

const logger = pino({ level: 'silent' });

const spec: TrainingSpec = {
  kind: 'training',
  job_id: 'job00000001',
  name: 'flies.pkg.slp',
  files: [
    { path: 'flies.pkg.slp', size_bytes: 10, sha256: 'a'.repeat(64) },
    { path: 'c.yaml', size_bytes: 10, sha256: 'c'.repeat(64) },
  ],
  requirements: {},
  stage: true,
  runs: [
    { name: 'centroid', config: 'c.yaml', train_labels: ['flies.pkg.slp'], val_labels: [], model_type: 'centroid' },
  ],
  notes: '',
  tags: [],
};

describe('the API on real servers', () => {
  let servers: TestServers;
  let server: SignalingServer;
  let aws: AwsClients;
  let room: TestRoom;
  let now = new Date();

  before(async function () {
    this.timeout(60_000);
    servers = await startTestServers(['s3', 'dynamodb', 'cognito', 'temporal'], { own: true });
    aws = servers.aws();
    server = await startSignalingServer(servers.config, { logger, aws: servers.aws(), now: () => now });
    room = await newRoom(server.url);
  });
  after(async () => {
    aws?.destroy();
    await server?.stop();
    await servers?.[Symbol.asyncDispose]();
  });

  const member = () => ({ idToken: room.idToken, roomToken: room.token });
  const put = (key: string, body: string) =>
    new Bucket(aws.s3, servers.config.bucket).put(`${room.room_id}/${key}`, body);
  const ofRoom = (request: string, options: object = {}) =>
    ask(server.url, request.replace('ROOM', `/api/rooms/${room.room_id}`), { ...member(), ...options });

  it('refuses a room name that is taken', async () => {
    const body = { room_id: room.room_id };
    const reply = await ask(server.url, 'POST /api/rooms', { idToken: room.idToken, body });
    assert.deepEqual([reply.status, reply.code], [409, 'ROOM_EXISTS']);
  });

  it('counts the workers and peers of a room', async () => {
    const peers = [await room.join('w1', { role: 'worker' }), await room.join('c1')];
    const reply = RoomReply.parse((await ofRoom('GET ROOM')).body);
    assert.deepEqual([reply.workers, reply.peers], [1, 2]);
    await Promise.all(peers.map((peer) => peer.close()));
  });

  it('gives an empty manifest if there is none yet, then the stored one, and does not send it again to a client that has it', async () => {
    const first = await ofRoom('GET ROOM/manifest');
    assert.deepEqual(Manifest.parse(first.body).models, {});
    const stored = {
      version: '1.0',
      room_id: room.room_id,
      updated_at: '2026-01-01T00:00:00Z',
      models: {},
      aliases: {},
    };
    await put('manifest.json', JSON.stringify(stored));
    const second = await ofRoom('GET ROOM/manifest');
    assert.deepEqual(second.body, stored);
    const etag = second.headers.get('etag') ?? '';
    assert.match(etag, /^".+"$/);
    const spared = await ofRoom('GET ROOM/manifest', { headers: { 'if-none-match': etag } });
    assert.deepEqual([spared.status, spared.body], [304, undefined]);
    await put('manifest.json', JSON.stringify({ ...stored, updated_at: '2026-01-02T00:00:00Z' }));
    assert.equal((await ofRoom('GET ROOM/manifest', { headers: { 'if-none-match': etag } })).status, 200);
  });

  it('links to each file of a model, and to none of a model that is not whole', async () => {
    const file = { path: 'sub/best.ckpt', size_bytes: 7, sha256: 'b'.repeat(64) };
    await put(`models/a3f5e8c9/${file.path}`, 'weights');
    assert.equal((await ofRoom('GET ROOM/models/a3f5e8c9/files')).code, 'MODEL_NOT_FOUND');
    await put(
      'models/a3f5e8c9/files.json',
      JSON.stringify({ job_id: spec.job_id, model_id: 'a3f5e8c9', files: [file] }),
    );
    const { files } = ModelFilesReply.parse((await ofRoom('GET ROOM/models/a3f5e8c9/files')).body);
    assert.partialDeepStrictEqual(files, [file]);
    const download = await fetch(files[0]?.url ?? '');
    assert.equal(await download.text(), 'weights');
    const elsewhere = (files[0]?.url ?? '').replace('models/a3f5e8c9', 'models/ffffffff');
    assert.equal((await fetch(elsewhere)).status, 403, 'a link is for its file only');
  });

  it('refuses a job that names a file which it does not send', async () => {
    const { status, code } = await ofRoom('POST ROOM/jobs', { body: { ...spec, files: [] } });
    assert.deepEqual([status, code], [400, 'MESSAGE_INVALID']);
  });

  it('submits a job once, lists it, and does not say that it is cancelled while no control worker runs', async () => {
    const submitted = JobView.parse((await ofRoom('POST ROOM/jobs', { body: spec })).body);
    assert.partialDeepStrictEqual(submitted, { job_id: spec.job_id, phase: 'queued', name: spec.name });
    assert.match(submitted.temporal_ui_url ?? '', /\/namespaces\/default\/workflows\/job%3A/);
    const again = JobView.parse((await ofRoom('POST ROOM/jobs', { body: spec })).body);
    assert.equal(again.submitted_at, submitted.submitted_at);
    const { jobs } = JobListReply.parse((await ofRoom('GET ROOM/jobs')).body);
    assert.deepEqual(
      jobs.map(({ job_id }) => job_id),
      [spec.job_id],
    );
    assert.equal((await ofRoom(`GET ROOM/jobs/${spec.job_id}?wait_ms=100`)).status, 200);
    let waiting: Waiting | undefined;
    do waiting = JobView.parse((await ofRoom(`GET ROOM/jobs/${spec.job_id}`)).body).waiting;
    while (waiting === undefined); // Temporal lists a job a moment after its start
    assert.deepEqual([waiting.position, waiting.sentence], [1, 'No worker is in the room']);
    const cancel = () => ofRoom(`POST ROOM/jobs/${spec.job_id}/cancel`, { body: { request_id: 'cancel-it' } });
    const unanswered = await cancel();
    assert.deepEqual([unanswered.status, unanswered.code], [503, 'CONTROL_UNAVAILABLE'], 'no control worker runs');
    assert.equal((await ofRoom('GET ROOM/jobs/job00000009')).code, 'JOB_NOT_FOUND');
  });

  it('links to the predictions of a job, once all of them are there', async () => {
    const file = { path: 'clip.mp4.predictions.slp', size_bytes: 5, sha256: 'c'.repeat(64) };
    await put(`jobs/${spec.job_id}/results/${file.path}`, 'poses');
    assert.equal((await ofRoom(`GET ROOM/jobs/${spec.job_id}/results`)).code, 'JOB_NOT_FOUND');
    await put(`jobs/${spec.job_id}/results.json`, JSON.stringify({ job_id: spec.job_id, files: [file] }));
    const { files } = ResultFilesReply.parse((await ofRoom(`GET ROOM/jobs/${spec.job_id}/results`)).body);
    assert.partialDeepStrictEqual(files, [file]);
    assert.equal(await (await fetch(files[0]?.url ?? '')).text(), 'poses');
  });

  it('shows the logs of a job, from their ends', async () => {
    assert.equal((await ofRoom(`GET ROOM/jobs/${spec.job_id}/log`)).code, 'JOB_NOT_FOUND');
    await put(`jobs/${spec.job_id}/logs/centroid.log`, `start${'x'.repeat(1024 * 1024)}end`);
    await put(`jobs/${spec.job_id}/logs/empty.log`, '');
    const url = `${server.url}/api/rooms/${room.room_id}/jobs/${spec.job_id}/log`;
    const headers = { authorization: `Bearer ${room.idToken}`, 'x-room-token': room.token };
    const { log } = JobLogReply.parse(await (await fetch(url, { headers })).json());
    assert.match(log, /^==> centroid\.log <==\nx+end\n==> empty\.log <==\n$/);
  });

  it('answers clients that wait for a job when the server stops', async () => {
    const config = { ...servers.config, stateBucket: null };
    const stopping = await startSignalingServer(config, { logger, aws: servers.aws() });
    const waiting = ask(stopping.url, `GET /api/rooms/${room.room_id}/jobs/${spec.job_id}?wait_ms=30000`, member());
    // The wait has begun once a request that came later has been answered.
    await ask(stopping.url, `GET /api/rooms/${room.room_id}`, member());
    const startedAt = performance.now();
    await stopping.stop();
    assert.equal((await waiting).status, 200);
    assert.ok(performance.now() - startedAt < 1500, 'nothing had to be cut off');
  });

  it('refuses an expired room, and opens it again to its token', async () => {
    now = new Date(now.getTime() + 3 * 60 * 60 * 1000);
    try {
      const expired = await ofRoom('GET ROOM/manifest');
      assert.deepEqual([expired.status, expired.code], [410, 'ROOM_EXPIRED']);
      await assert.rejects(room.join('late'), { code: 'ROOM_EXPIRED' });
      assert.equal((await ofRoom('POST ROOM/open')).status, 200);
      assert.equal((await ofRoom('GET ROOM/manifest')).status, 200);
    } finally {
      now = new Date();
    }
  });

  it('lists peers of before a restart as reconnecting until they are back', async () => {
    const [worker, client] = [await room.join('w1', { role: 'worker' }), await room.join('c1')];
    await server.stop();
    await Promise.all([worker.closed, client.closed]);
    server = await startSignalingServer(servers.config, { logger, aws: servers.aws(), now: () => now });
    const { workers } = RoomReply.parse((await ofRoom('GET ROOM')).body);
    assert.equal(workers, 1);
  });

  it('says within seconds that Temporal or S3 is unavailable, and serves the rest', async function () {
    this.timeout(30_000);
    await servers.end('temporal');
    const startedAt = performance.now();
    for (const request of ['GET ROOM/jobs', `GET ROOM/jobs/${spec.job_id}`, `POST ROOM/jobs/${spec.job_id}/cancel`]) {
      const reply = await ofRoom(request);
      assert.deepEqual([reply.status, reply.code], [503, 'TEMPORAL_UNREACHABLE'], request);
    }
    const submitted = await ofRoom('POST ROOM/jobs', { body: spec });
    assert.deepEqual([submitted.status, submitted.code], [503, 'TEMPORAL_UNREACHABLE']);
    await servers.end('s3');
    for (const request of ['GET ROOM/manifest', 'GET ROOM/models/a3f5e8c9/files']) {
      const reply = await ofRoom(request);
      assert.deepEqual([reply.status, reply.code], [503, 'STORAGE_UNREACHABLE'], request);
    }
    assert.ok(performance.now() - startedAt < 20_000);
    assert.equal((await ofRoom('GET ROOM')).status, 200);
    await servers.end('cognito');
    const signIn = await ask(server.url, 'POST /anonymous-signin');
    assert.deepEqual([signIn.status, signIn.code], [503, 'SERVER_ERROR']);
    await servers.end('dynamodb');
    assert.equal((await ofRoom('GET ROOM')).code, 'SERVER_ERROR');
    assert.equal((await ask(server.url, 'GET /health')).status, 200);
  });
});
