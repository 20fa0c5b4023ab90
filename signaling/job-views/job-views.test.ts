import assert from 'node:assert/strict';
import pino from 'pino';
import type { TrainingSpec } from '../../protocol/jobs/job.ts';
import type { JobView, WorkerProgress } from '../../protocol/jobs/job-view.ts';
import type { ServerMessage } from '../../protocol/wire/signaling.ts';
import { type SignalingServer, startSignalingServer } from '../server.ts';
import { ask } from '../testing/api-client.ts';
import { createMemoryBackends, type MemoryBackends, memoryConfig } from '../testing/memory-backends.ts';
import type { TestPeer } from '../testing/test-peer.ts';
import { newRoom, type TestRoom } from '../testing/test-room.ts';

const logger = pino({ level: 'silent' });
const JOB = 'job00000001';

function spec(changes: Partial<TrainingSpec> = {}): TrainingSpec {
  return {
    kind: 'training',
    job_id: JOB,
    name: 'flies.pkg.slp',
    files: ['flies.pkg.slp', 'c.yaml'].map((path) => ({ path, size_bytes: 10, sha256: 'a'.repeat(64) })),
    requirements: {},
    stage: true,
    runs: [{ name: 'c', config: 'c.yaml', train_labels: ['flies.pkg.slp'], val_labels: [], model_type: 'centroid' }],
    notes: '',
    tags: [],
    ...changes,
  };
}

function epoch(number: number): WorkerProgress {
  const losses = { train_loss: 1 / number, val_loss: 1 / number, seconds_left: null };
  const run = { run: 'c', run_index: 0, run_count: 1 };
  return { job_id: JOB, phase: 'training', epoch: { ...run, epoch: number, max_epochs: 9, ...losses } };
}

describe('the jobs of a room, as everybody sees them', function () {
  this.timeout(20_000);
  let backends: MemoryBackends;
  let server: SignalingServer;
  let room: TestRoom;

  beforeEach(async () => {
    backends = createMemoryBackends();
    server = await startSignalingServer(memoryConfig(), { logger, backends });
    room = await newRoom(server.url);
  });
  afterEach(() => server?.stop());

  const ofRoom = async (request: string, body?: object) =>
    ask(server.url, request.replace('ROOM', `/api/rooms/${room.room_id}`), {
      idToken: room.idToken,
      roomToken: room.token,
      ...(body && { body }),
    });
  const submit = (changes: Partial<TrainingSpec> = {}) => ofRoom('POST ROOM/jobs', spec(changes));
  /** Gives the job to w1, which trains at once. A workflow enters a phase before its worker begins it. */
  const train = (): string => {
    const session = backends.jobs.openSession(JOB, 'w1');
    backends.jobs.update(JOB, { phase: 'training', detail: 'training c' });
    return session;
  };
  const report = (worker: TestPeer, session_id: string, progress: WorkerProgress) =>
    worker.send({ type: 'job_progress', session_id, progress });

  /** A peer that reads the room's jobs; `views` is everything that it was sent of them. */
  async function reader(name: string, since_seq?: number, job_id?: string) {
    const peer = await room.join(name);
    const views: JobView[] = [];
    const received: ServerMessage[] = [];
    let seq = 0;
    peer.socket.on('message', (data) => {
      const message: ServerMessage = JSON.parse(String(data));
      received.push(message);
      if (message.type === 'job_event') views.push(message.job);
      if (message.type === 'jobs_subscribed') views.push(...(message.jobs ?? []));
      if (message.type === 'job_event' || message.type === 'jobs_subscribed') seq = message.seq;
    });
    peer.send({
      type: 'subscribe_jobs',
      ...(since_seq === undefined ? {} : { since_seq }),
      ...(job_id === undefined ? {} : { job_id }),
    });
    const { jobs } = await peer.nextOf('jobs_subscribed');
    const until = async (wanted: (view: JobView) => boolean): Promise<JobView> => {
      for (;;) {
        const view = views.find(wanted);
        if (view !== undefined) return view;
        await new Promise((resolve) => peer.socket.once('message', resolve));
      }
    };
    return { peer, views, received, snapshot: jobs, until, seq: () => seq, epochs: () => epochsOf(views) };
  }

  it('are what the worker with the job’s session reports, at once and whole', async () => {
    await submit();
    const dashboard = await reader('d');
    assert.partialDeepStrictEqual(dashboard.snapshot, [
      { job_id: JOB, phase: 'queued', temporal_ui_url: `http://temporal.test/${JOB}` },
    ]);
    const worker = await room.join('w1', { role: 'worker' });
    const session = backends.jobs.openSession(JOB, 'w1');
    report(worker, session, { job_id: JOB, phase: 'receiving', detail: 'from the researcher' });
    await dashboard.until(({ detail }) => detail === 'from the researcher');
    backends.jobs.update(JOB, { phase: 'training' });
    report(worker, session, epoch(1));
    report(worker, session, { job_id: JOB, staging: 'staged' });
    const view = await dashboard.until(({ staging }) => staging === 'staged');
    assert.partialDeepStrictEqual(view, { phase: 'training', worker: 'w1', epoch: { epoch: 1, val_loss: 1 } });
    assert.partialDeepStrictEqual((await ofRoom(`GET ROOM/jobs/${JOB}`)).body, {
      phase: 'training',
      staging: 'staged',
    });
    backends.jobs.update(JOB, { phase: 'done', detail: 'published' });
    await dashboard.until(({ phase }) => phase === 'done');
    assert.deepEqual(dashboard.epochs(), [1]);
  });

  it('do not show the reports of a member that does not have the job’s session id, which no reader receives', async () => {
    await submit();
    const dashboard = await reader('d');
    const [worker, liar, client] = [
      await room.join('w1', { role: 'worker' }),
      await room.join('liar', { role: 'worker' }),
      await room.join('c1'),
    ];
    const session = train();
    report(worker, session, epoch(1));
    await dashboard.until((view) => view.epoch?.epoch === 1);
    report(liar, 'session-of-a-liar', { ...epoch(7), detail: 'a lie' });
    report(liar, 'session-of-a-liar', { job_id: 'job99999999', phase: 'training', detail: 'a lie' });
    report(client, session, epoch(8));
    assert.equal((await client.nextOf('error')).code, 'NOT_ALLOWED');
    const payload = { type: 'job_progress', worker: 'w1', progress: epoch(9) };
    liar.send(JSON.stringify({ type: 'peer_message', to_peer_id: '*', payload }));
    assert.equal((await liar.nextOf('error')).code, 'MESSAGE_INVALID');
    // The server asks the workflow about the liar's session within this time, and again.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    report(worker, session, epoch(2));
    await dashboard.until((view) => view.epoch?.epoch === 2);
    assert.deepEqual(dashboard.epochs(), [1, 2]);
    const everything = JSON.stringify([
      dashboard.received,
      (await ofRoom('GET ROOM/jobs')).body,
      (await ofRoom(`GET ROOM/jobs/${JOB}`)).body,
    ]);
    assert.doesNotMatch(everything, /a lie/);
    assert.ok(!everything.includes(session) && !everything.includes('session'));
    assert.ok(backends.jobs.asked.read < 20, `${backends.jobs.asked.read} questions`);
  });

  it('are replayed to a reader that was disconnected: every epoch once', async () => {
    await submit();
    const worker = await room.join('w1', { role: 'worker' });
    const session = train();
    const first = await reader('c1', undefined, JOB);
    report(worker, session, epoch(1));
    await first.until((view) => view.epoch?.epoch === 1);
    const seq = first.seq();
    first.peer.socket.terminate();
    for (const number of [2, 3, 4]) report(worker, session, epoch(number));
    await worker.settled();
    const again = await reader('c1', seq, JOB);
    assert.equal(again.snapshot, null);
    report(worker, session, epoch(5));
    await again.until((view) => view.epoch?.epoch === 5);
    assert.deepEqual(again.epochs(), [2, 3, 4, 5]);
    backends.jobs.update(JOB, { phase: 'done' });
    await again.until(({ phase }) => phase === 'done');
    const late = await reader('c2', seq, JOB);
    await late.until(({ phase }) => phase === 'done');
    const unknown = await reader('c3', 5);
    assert.deepEqual(unknown.snapshot, [], 'who has missed more than is known gets the jobs that have not ended');
  });

  it('go back to the queue when their worker is lost, with their place in line', async () => {
    await submit();
    await submit({ job_id: 'job00000002', name: 'other' });
    const dashboard = await reader('d');
    const worker = await room.join('w1', { role: 'worker', metadata: { tags: [], properties: { status: 'busy' } } });
    const waits = await dashboard.until(({ job_id, waiting }) => job_id !== JOB && waiting?.workers_fitting === 1);
    assert.equal(waits.waiting?.sentence, '2nd in line for a worker: w1 fits, busy');
    const session = train();
    report(worker, session, epoch(3));
    await dashboard.until(({ epoch: at }) => at?.epoch === 3);
    backends.jobs.loseSession(JOB);
    report(worker, session, { ...epoch(4), detail: 'it does not know yet' });
    const lost = dashboard.views.length;
    while (!dashboard.views.slice(lost).some(({ job_id, phase }) => job_id === JOB && phase === 'queued'))
      await new Promise((resolve) => dashboard.peer.socket.once('message', resolve));
    assert.partialDeepStrictEqual(
      dashboard.views.findLast(({ job_id }) => job_id === JOB),
      { worker: null },
    );
    assert.equal(dashboard.views.findLast(({ job_id }) => job_id === JOB)?.epoch, undefined);
  });

  it('stay, marked, while Temporal is unavailable, and change again after that', async () => {
    await submit();
    const dashboard = await reader('d');
    backends.jobs.unavailable = true;
    await dashboard.until(({ outdated }) => outdated === true);
    const late = await reader('late');
    assert.partialDeepStrictEqual(late.snapshot, [{ job_id: JOB, phase: 'queued', outdated: true }]);
    backends.jobs.unavailable = false;
    backends.jobs.update(JOB, { phase: 'cancelled' });
    await dashboard.until(({ phase }) => phase === 'cancelled');
  });

  it('cost no more requests to Temporal for many readers than for one', async () => {
    await submit();
    for (let number = 0; number < 20; number += 1) await reader(`reader-${number}`);
    const before = { ...backends.jobs.asked };
    await new Promise((resolve) => setTimeout(resolve, 4500));
    assert.ok(backends.jobs.asked.active - before.active <= 3);
    assert.ok(backends.jobs.asked.read - before.read <= 3);
  });

  it('outlive a restart of the server, also for a reader that continues from its last event', async () => {
    await submit();
    const worker = await room.join('w1', { role: 'worker' });
    const session = train();
    const before = await reader('c1');
    report(worker, session, epoch(1));
    await before.until((view) => view.epoch?.epoch === 1);
    await server.stop();
    const port = Number(new URL(server.url).port);
    server = await startSignalingServer({ ...memoryConfig(), port }, { logger, backends });
    const after = await reader('c1', before.seq());
    assert.partialDeepStrictEqual(after.snapshot, [{ job_id: JOB, phase: 'training', worker: 'w1' }]);
    const back = await room.join('w1', { role: 'worker' });
    report(back, session, epoch(2));
    await after.until((view) => view.epoch?.epoch === 2);
    const { runs } = (await ofRoom(`GET ROOM/jobs/${JOB}/curve`)).body as { runs: { epochs: number[] }[] };
    assert.deepEqual(runs[0]?.epochs, [1, 2]);
  });
});

function epochsOf(views: JobView[]): number[] {
  return [...new Set(views.map((view) => view.epoch?.epoch).filter((number) => number !== undefined))];
}
