import assert from 'node:assert/strict';
import pino from 'pino';
import type { PeerInfo } from '../../protocol/wire/signaling.ts';
import { Bucket } from '../../storage/index.ts';
import { LossCurves } from '../curves/loss-curves.ts';
import { JobViews } from '../job-views/job-views.ts';
import { PeerDirectory } from '../peers/directory.ts';
import { MemoryJobs } from '../testing/memory-jobs.ts';
import { startTestServers, type TestServers } from '../testing/test-servers.ts';
import { createS3StateStore } from './s3-state-store.ts';
import { startStateBackup } from './state-backup.ts';

const logger = pino({ level: 'silent' });
const now = () => new Date('2026-01-01T00:00:00Z');
const worker: PeerInfo = {
  peer_id: 'w1',
  role: 'worker',
  user_id: 'user-1',
  metadata: { tags: ['a'], properties: { gpu_memory_mb: 8000, models: ['a3f5e8c9'] } },
  connected_at: now().toISOString(),
};
const epoch = {
  run: 'centroid',
  run_index: 0,
  run_count: 1,
  epoch: 1,
  max_epochs: 5,
  train_loss: null,
  val_loss: 0.5,
  seconds_left: null,
};
const spec = {
  kind: 'inference' as const,
  name: 'clip.mp4',
  files: [],
  requirements: {},
  stage: true,
  models: [],
  input: 'clip.mp4',
  tracking: false,
};
const context = { room_id: 'room-a', user_id: 'user-1', submitted_at: now().toISOString() };
const link = { send: () => undefined, close: () => undefined, responds: async () => true };

describe('the state backup on real S3', () => {
  const jobs = new MemoryJobs();
  let servers: TestServers;
  before(async function () {
    this.timeout(60_000);
    servers = await startTestServers(['s3']);
  });
  after(async () => servers?.[Symbol.asyncDispose]());

  const stateBucket = () => new Bucket(servers.aws().s3, servers.config.stateBucket ?? '');

  /** The state of one run of a server. */
  async function run() {
    const directory: PeerDirectory = new PeerDirectory({ onChange: () => backup.changed() });
    const jobViews = new JobViews({ jobs, peers: () => [], logger, onChange: () => backup.changed() });
    const curves = new LossCurves({ onChange: () => backup.changed() });
    const bucket = stateBucket();
    const store = createS3StateStore(bucket);
    const backup = await startStateBackup({ directory, jobViews, curves, store, logger, now });
    jobViews.close();
    return { directory, jobViews, curves, backup, s3: bucket.s3 };
  }

  it('remembers peers, and the last progress and the curves of running jobs, over a restart', async () => {
    const first = await run();
    assert.deepEqual(first.directory.peers('room-a'), []);
    await first.directory.join('room-a', worker, link);
    for (const job_id of ['job00001', 'job00002']) {
      await first.jobViews.submit({ ...spec, job_id }, context);
      const sessionId = jobs.openSession(job_id, 'w1');
      jobs.update(job_id, { phase: 'training' });
      await first.jobViews.read('room-a', job_id);
      first.jobViews.report('room-a', 'w1', sessionId, { job_id, phase: 'training', epoch });
      first.curves.observe('room-a', { job_id, epoch });
    }
    jobs.update('job00002', { phase: 'done' });
    await first.jobViews.read('room-a', 'job00002');
    first.curves.ended('room-a', 'job00002');
    await first.backup.stop();
    first.directory.leave('room-a', 'w1', link);

    const second = await run();
    assert.deepEqual(
      second.directory.peers('room-a').map(({ peer_id }) => peer_id),
      ['w1'],
      'peers that the stop disconnected are still known',
    );
    const restored = second.jobViews.snapshot()['room-a'];
    assert.deepEqual(
      restored?.map(({ job_id }) => job_id),
      ['job00001'],
    );
    assert.partialDeepStrictEqual(restored, [{ phase: 'training', worker: 'w1', epoch: { epoch: 1 } }]);
    assert.deepEqual(second.curves.of('room-a', 'job00001')[0]?.val_loss, [0.5]);
    assert.deepEqual(second.curves.of('room-a', 'job00002'), []);
    await second.backup.stop();
  });

  it('starts empty, and works, if the backup is damaged', async () => {
    const bucket = stateBucket();
    await bucket.put('signaling/state.json', '{"version":1,"peers":');
    const { directory, backup } = await run();
    assert.deepEqual(directory.snapshot(), {});
    await directory.join('room-a', worker, link);
    await backup.stop();
    const next = await run();
    assert.deepEqual(Object.keys(next.directory.snapshot()), ['room-a']);
    await next.backup.stop();
    bucket.s3.destroy();
  });
});
