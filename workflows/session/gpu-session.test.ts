import assert from 'node:assert/strict';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { JobStatus } from '../../protocol/jobs/job.ts';
import { trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { trainingJobsOnDevServer } from '../../test/workflows/training-jobs.ts';
import { startWorkerProcess, type WorkerProcess } from '../../test/workflows/worker-process.ts';

/** From a worker's death to the next worker at work, in ms: the heartbeat timeout, with a reserve for a slow machine. */
const SOON_MS = 15_000;

describe('a GPU session whose worker is lost', function () {
  this.timeout(60_000);
  const { server, control, start: startJob, startWorker: startWorkerHere } = trainingJobsOnDevServer();
  const workers: WorkerProcess[] = [];

  afterEach(async () => {
    for (const worker of workers.splice(0)) await worker.kill();
  });
  const startWorker = async (options: { room: string; name: string; stallIn?: string }): Promise<WorkerProcess> => {
    const worker = await startWorkerProcess(server().env.address, options);
    workers.push(worker);
    return worker;
  };
  const start = (room: string, firstOfferTo?: string) => {
    const input = trainingInput({ room });
    if (firstOfferTo !== undefined) input.context.first_offer_to = firstOfferTo;
    return startJob(input);
  };

  for (const activity of ['receiveDataset', 'train', 'uploadModel']) {
    it(`opens on another worker if its worker is killed during ${activity}`, async () => {
      const room = `killed-${activity.toLowerCase()}`;
      const doomed = await startWorker({ room, name: 'doomed', stallIn: activity });
      const job = await start(room);
      await doomed.reached(activity);
      const survivor = await startWorker({ room, name: 'survivor' });
      const killedAt = Date.now();
      await doomed.kill();
      await survivor.reached('receiveDataset');
      assert.ok(Date.now() - killedAt < SOON_MS, `took ${Date.now() - killedAt} ms`);
      const status = await job.result();
      assert.deepEqual([status.phase, status.worker], ['done', 'survivor']);
      assert.equal(Object.keys(control().manifest(room).models).length, 1);
    });
  }

  it('does not open again if only the results had not been returned: the job is done', async () => {
    const room = 'killed-late';
    const doomed = await startWorker({ room, name: 'doomed', stallIn: 'returnResults' });
    const job = await start(room);
    await doomed.reached('returnResults');
    await doomed.kill();
    const status = await job.result();
    assert.equal(status.phase, 'done');
    assert.match(status.detail, /fetch with `sleap-rtc jobs get/);
    assert.equal(Object.keys(control().manifest(room).models).length, 1);
  });

  it('opens on another worker if its worker is evicted', async () => {
    const room = 'evicted';
    const evicted = await startWorker({ room, name: 'evicted', stallIn: 'train' });
    const job = await start(room);
    await evicted.reached('train');
    await startWorker({ room, name: 'survivor' });
    await evicted.evict();
    assert.equal((await job.result()).worker, 'survivor');
  });

  it('opens again after any number of evictions: the job is not to blame for them', async () => {
    const room = 'preemptible';
    let evictions = 0;
    await startWorkerHere({
      room,
      overrides: (self) => ({
        train: async ({ input, run_index }) => {
          if (evictions === 7) return trainedModel(input, run_index);
          evictions += 1;
          const eviction = new SleapRtcError('WORKER_LOST', 'The worker is being shut down.');
          for (const session of self.sessions.values()) session.reject(eviction);
          await self.work();
          throw new Error('never');
        },
      }),
    });
    const job = await start(room);
    assert.equal((await job.result()).phase, 'done');
    assert.equal(evictions, 7);
  });

  it('is offered first to the worker that has the job’s data or models', async () => {
    const room = 'data-locality';
    await Promise.all(['other-1', 'other-2', 'has-data'].map((name) => startWorker({ room, name })));
    for (let i = 0; i < 3; i += 1) assert.equal((await (await start(room, 'has-data')).result()).worker, 'has-data');
  });

  it('does not wait for that worker if it is unavailable', async () => {
    const room = 'data-unavailable';
    await startWorker({ room, name: 'other' });
    const job = await start(room, 'has-data');
    assert.equal((await job.result()).worker, 'other');
    const { events } = await job.fetchHistory();
    assert.ok((events?.length ?? 0) <= 80, `${events?.length} events`);
  });

  it('waits while there is no other worker, and the job says so', async () => {
    const room = 'lonely';
    const doomed = await startWorker({ room, name: 'doomed', stallIn: 'train' });
    const job = await start(room);
    await doomed.reached('train');
    await doomed.kill();
    let status: JobStatus;
    do status = await job.query<JobStatus>('jobStatus');
    while (status.phase !== 'queued');
    assert.match(status.detail, /the worker before was lost/);
    assert.equal(status.worker, null);
    await job.cancel();
    await assert.rejects(job.result());
    assert.equal((await job.query<JobStatus>('jobStatus')).phase, 'cancelled');
  });
});
