import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mock } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import pino from 'pino';
import type { JobContext, JobSpec, TrainingSpec } from '../../protocol/jobs/job.ts';
import type { JobAction } from '../../protocol/jobs/job-action.ts';
import { CONTROL_QUEUE } from '../../protocol/temporal/queues.ts';
import { type DevServer, devServer } from '../../test/workflows/servers.ts';
import { ensureSearchAttributes } from '../../workers/control/search-attributes.ts';
import { Temporal } from './temporal.ts';
import { TemporalJobs } from './temporal-jobs.ts';

const logger = pino({ level: 'silent' });
const namespace = 'default';
let jobsMade = 0;

function spec(name: string): TrainingSpec {
  jobsMade += 1;
  return {
    kind: 'training',
    job_id: `job${String(jobsMade).padStart(8, '0')}`,
    name,
    files: [{ path: 'a.pkg.slp', size_bytes: 10, sha256: 'a'.repeat(64) }],
    requirements: {},
    stage: true,
    runs: [{ name: 'centroid', config: 'a.yaml', train_labels: ['a.pkg.slp'], val_labels: [], model_type: 'centroid' }],
    notes: '',
    tags: [],
  };
}

function context(room_id: string): JobContext {
  return { room_id, user_id: 'user-1', submitted_at: new Date().toISOString() };
}

/** The jobs of a server, with their status only. */
function jobsOf(temporal: Temporal, options: { namespace: string; uiUrl: string | null }) {
  const jobs = new TemporalJobs(temporal, options);
  return {
    start: async (job: JobSpec, to: JobContext) => (await jobs.start(job, to)).status,
    async status(room: string, job: string, { waitMs = 0, signal = new AbortController().signal } = {}) {
      if (waitMs > 0) await jobs.untilEnd(room, job, { waitMs, signal });
      return (await jobs.read(room, job)).status;
    },
    list: (room: string) => jobs.list(room),
    runningRooms: () => jobs.runningRooms(),
    uiUrl: (room: string, job: string) => jobs.uiUrl(room, job),
    control: async (room: string, job: string, action: JobAction, request: string) =>
      (await jobs.control(room, job, action, request)).status,
  };
}

describe('jobs on a real Temporal server', () => {
  let server: DevServer;
  let temporal: Temporal;
  let jobs: ReturnType<typeof jobsOf>;
  let workflowBundle: Awaited<ReturnType<typeof bundleWorkflowCode>>;

  before(async function () {
    this.timeout(120_000);
    server = await devServer();
    temporal = new Temporal({ address: server.env.address, namespace });
    jobs = jobsOf(temporal, { namespace, uiUrl: 'http://ui.test' });
    workflowBundle = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(new URL('../testing/test-workflows.ts', import.meta.url)),
      logger: new DefaultLogger('ERROR'),
    });
  });
  after(async () => {
    await temporal?.close();
    await server?.stop();
  });

  /** Runs a control worker while `body` runs. */
  async function withWorker<T>(body: () => Promise<T>): Promise<T> {
    const { nativeConnection: connection } = server.env;
    const worker = await Worker.create({ connection, taskQueue: CONTROL_QUEUE, workflowBundle });
    return worker.runUntil(body);
  }

  it('starts a job once, however often it is submitted, and refuses another job under its id', async () => {
    const job = spec('done');
    const first = context('room-once');
    const status = await jobs.start(job, first);
    assert.equal(status.phase, 'queued');
    const again = await jobs.start(job, { ...first, submitted_at: new Date(0).toISOString() });
    assert.equal(again.submitted_at, status.submitted_at, 'the second submit found the first');
    await assert.rejects(jobs.start({ ...job, name: 'other' }, first), { code: 'USAGE' });
    await withWorker(() => jobs.status('room-once', job.job_id, { waitMs: 10_000 }));
    assert.equal((await jobs.start(job, first)).phase, 'done', 'also after it has ended');
    assert.equal((await jobs.list('room-once')).length, 1);
  });

  it('describes a job to the Temporal UI, and links to it', async () => {
    const job = spec('waits');
    await jobs.start(job, context('room-ui'));
    const described = await temporal.client.workflow.getHandle(`job:room-ui:${job.job_id}`).describe();
    assert.equal(await described.staticSummary(), 'train centroid on waits in room-ui');
    assert.match((await described.staticDetails()) ?? '', /user: `user-1`/);
    assert.deepEqual(
      { ...described.searchAttributes, BuildIds: undefined },
      {
        SleapRoom: ['room-ui'],
        SleapKind: ['training'],
        SleapUser: ['user-1'],
        SleapModelType: ['centroid'],
        SleapPhase: ['queued'],
        BuildIds: undefined,
      },
    );
    assert.equal(
      jobs.uiUrl('room-ui', job.job_id),
      `http://ui.test/namespaces/default/workflows/job%3Aroom-ui%3A${job.job_id}`,
    );
  });

  it('waits for the end of a job, and reports its models', async () => {
    const job = spec('done');
    await jobs.start(job, context('room-wait'));
    const waiting = jobs.status('room-wait', job.job_id, { waitMs: 20_000 });
    const status = await withWorker(() => waiting);
    assert.equal(status.phase, 'done');
    assert.deepEqual(
      status.models.map(({ id }) => id),
      ['a3f5e8c9'],
    );
  });

  it('asks a running job for its status, and ends the wait when the client disconnects', async () => {
    const job = spec('waits');
    await jobs.start(job, context('room-running'));
    const gone = new AbortController();
    await withWorker(async () => {
      const waiting = jobs.status('room-running', job.job_id, { waitMs: 30_000, signal: gone.signal });
      gone.abort();
      await waiting;
      const shortWait = await jobs.status('room-running', job.job_id, { waitMs: 50 });
      assert.partialDeepStrictEqual(shortWait, { phase: 'training', detail: 'epoch 1', worker: 'w1' });
    });
    assert.ok((await jobs.runningRooms()).includes('room-running'));
    const withoutWorker = await jobs.status('room-running', job.job_id);
    assert.partialDeepStrictEqual(withoutWorker, { phase: 'queued', name: 'waits', user_id: 'user-1' });
  });

  it('asks once for an end that does not come, and not again and again in the last second of the wait', async () => {
    const job = spec('waits');
    await jobs.start(job, context('room-idle'));
    const asked = mock.method(temporal.client.workflowService, 'getWorkflowExecutionHistory');
    const startedAt = performance.now();
    await jobs.status('room-idle', job.job_id, { waitMs: 1500 });
    asked.mock.restore();
    assert.ok(performance.now() - startedAt >= 1500, 'it has waited');
    assert.equal(asked.mock.callCount(), 1);
  });

  it('reports why a job failed in the researcher’s words, also in the list', async () => {
    const job = spec('fails');
    await jobs.start(job, context('room-fail'));
    const status = await withWorker(() => jobs.status('room-fail', job.job_id, { waitMs: 20_000 }));
    const error = {
      code: 'GPU_OUT_OF_MEMORY',
      message: 'The GPU ran out of memory.',
      remedy: 'Lower the batch size.',
    };
    assert.partialDeepStrictEqual(status, { phase: 'failed', worker: 'w1', error });
    assert.partialDeepStrictEqual(await jobs.list('room-fail'), [{ phase: 'failed', error }]);
  });

  it('cancels a job, and refuses to cancel one that has ended', async () => {
    const job = spec('waits');
    await jobs.start(job, context('room-cancel'));
    await withWorker(async () => {
      await jobs.control('room-cancel', job.job_id, 'cancel', 'request-1');
      const status = await jobs.status('room-cancel', job.job_id, { waitMs: 10_000 });
      assert.partialDeepStrictEqual(status, { phase: 'cancelled', error: { code: 'JOB_CANCELLED' } });
      assert.equal((await jobs.control('room-cancel', job.job_id, 'cancel', 'request-1')).phase, 'cancelled');
      const refusal = { code: 'JOB_ACTION_REFUSED', message: /had ended already: cancelled: The job was cancelled\./ };
      await assert.rejects(jobs.control('room-cancel', job.job_id, 'cancel', 'request-2'), refusal);
    });
  });

  it('stops a job early, which is cancelled if it has no model yet, and refuses to stop one that has ended', async () => {
    const job = spec('stops');
    await jobs.start(job, context('room-stop'));
    await withWorker(async () => {
      await jobs.control('room-stop', job.job_id, 'stop', 'request-1');
      const status = await jobs.status('room-stop', job.job_id, { waitMs: 10_000 });
      assert.partialDeepStrictEqual(status, { phase: 'cancelled', error: { message: 'Nothing was trained.' } });
      const refusal = { code: 'JOB_ACTION_REFUSED', message: /had ended already: cancelled: Nothing was trained\./ };
      await assert.rejects(jobs.control('room-stop', job.job_id, 'stop', 'request-2'), refusal);
      assert.partialDeepStrictEqual(await jobs.list('room-stop'), [{ phase: 'cancelled' }]);
    });
    await assert.rejects(jobs.control('room-stop', 'job99999999', 'stop', 'request-3'), { code: 'JOB_NOT_FOUND' });
  });

  it('pauses a job and resumes it, also while no worker runs, and refuses both for one that has ended', async () => {
    const room = 'room-pause';
    const [job, ended] = [spec('pauses'), spec('done')];
    const control = (action: JobAction, jobId = job.job_id) => jobs.control(room, jobId, action, randomUUID());
    await jobs.start(job, context(room));
    await withWorker(async () => {
      await jobs.start(ended, context(room));
      await jobs.status(room, ended.job_id, { waitMs: 10_000 });
      await assert.rejects(control('resume'), { code: 'JOB_ACTION_REFUSED', message: 'It is not paused.' });
      assert.equal((await control('pause')).phase, 'paused');
      assert.equal((await control('resume')).phase, 'queued');
      assert.equal((await control('pause')).phase, 'paused');
      for (const action of ['pause', 'resume'] as const)
        await assert.rejects(control(action, ended.job_id), { message: /had ended already: done/ });
    });
    assert.equal((await jobs.status(room, job.job_id)).phase, 'paused');
    for (const action of ['pause', 'resume'] as const)
      await assert.rejects(control(action, 'job99999999'), { code: 'JOB_NOT_FOUND' });
  });

  it('does not report an action as accepted while no control worker runs; asked again, it is carried out once', async () => {
    const [room, job] = ['room-unanswered', spec('pauses')];
    await jobs.start(job, context(room));
    const pause = () => jobs.control(room, job.job_id, 'pause', 'request-1');
    await assert.rejects(pause(), { code: 'CONTROL_UNAVAILABLE', message: /has not accepted `pause` yet/ });
    assert.equal((await jobs.status(room, job.job_id)).phase, 'queued');
    await withWorker(async () => {
      for (let i = 0; i < 2; i += 1)
        assert.partialDeepStrictEqual(await pause(), { phase: 'paused', detail: 'paused by action 1' });
    });
  });

  it('lists the newest first, and nothing of another room', async () => {
    const [older, newer] = [spec('waits'), spec('waits')];
    await jobs.start(older, { ...context('room-list'), submitted_at: '2026-01-01T00:00:00.000Z' });
    await jobs.start(newer, { ...context('room-list'), submitted_at: '2026-01-02T00:00:00.000Z' });
    assert.deepEqual(
      (await jobs.list('room-list')).map(({ job_id }) => job_id),
      [newer.job_id, older.job_id],
    );
    assert.deepEqual(await jobs.list('room-empty'), []);
    await assert.rejects(jobs.status('room-empty', newer.job_id), { code: 'JOB_NOT_FOUND' });
    await assert.rejects(jobs.control('room-empty', newer.job_id, 'cancel', 'request-1'), { code: 'JOB_NOT_FOUND' });
  });

  it('starts a job though Temporal lacks search attributes, as soon as a control worker has registered them', async function () {
    this.timeout(30_000);
    const { operatorService } = server.env.nativeConnection;
    const remove = { namespace, searchAttributes: ['SleapKind'] };
    await operatorService.removeSearchAttributes(remove);
    const lacking = jobs.start(spec('done'), context('room-new'));
    let started = false;
    void lacking.then(() => {
      started = true;
    });
    await sleep(2_000);
    assert.equal(started, false);
    await ensureSearchAttributes(server.env.nativeConnection, namespace, logger);
    const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
    assert.ok(customAttributes.SleapKind);
    assert.equal((await lacking).phase, 'queued');
  });
});

describe('jobs without Temporal', () => {
  it('say so within seconds', async () => {
    const temporal = new Temporal({ address: '127.0.0.1:1', namespace: 'default' });
    const jobs = jobsOf(temporal, { namespace: 'default', uiUrl: null });
    const startedAt = performance.now();
    const unreachable = { code: 'TEMPORAL_UNREACHABLE' };
    await Promise.all([
      assert.rejects(jobs.start(spec('done'), context('room-a')), unreachable),
      assert.rejects(jobs.status('room-a', 'job00000001'), unreachable),
      assert.rejects(jobs.list('room-a'), unreachable),
      assert.rejects(jobs.control('room-a', 'job00000001', 'cancel', 'request-1'), unreachable),
    ]);
    assert.ok(performance.now() - startedAt < 5000);
    assert.equal(jobs.uiUrl('room-a', 'job00000001'), null);
    await temporal.close();
  });
});
