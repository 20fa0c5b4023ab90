import assert from 'node:assert/strict';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import pino from 'pino';
import type { PeerInfo } from '../../protocol/signaling.ts';
import { LossCurves } from '../curves/loss-curves.ts';
import { PeerDirectory } from '../peers/directory.ts';
import { ProgressMemory } from '../peers/last-progress.ts';
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
const link = { send: () => undefined, close: () => undefined, responds: async () => true };

describe('the state backup on real S3', () => {
  let servers: TestServers;
  before(async function () {
    this.timeout(60_000);
    servers = await startTestServers(['s3']);
  });
  after(async () => servers?.[Symbol.asyncDispose]());

  /** One run of a server, as far as its state goes. */
  async function run() {
    const directory: PeerDirectory = new PeerDirectory({ onChange: () => backup.changed() });
    const progress = new ProgressMemory({ onChange: () => backup.changed() });
    const curves = new LossCurves({ onChange: () => backup.changed() });
    const { s3 } = servers.aws();
    const store = createS3StateStore(s3, servers.config.stateBucket ?? '');
    const backup = await startStateBackup({ directory, progress, curves, store, logger, now });
    return { directory, progress, curves, backup, s3 };
  }

  it('remembers peers, and the last progress and the curves of running jobs, over a restart', async () => {
    const first = await run();
    assert.deepEqual(first.directory.peers('room-a'), []);
    await first.directory.join('room-a', worker, link);
    for (const [job_id, phase] of [
      ['job00001', 'training'],
      ['job00002', 'done'],
    ] as const) {
      const at = now().toISOString();
      first.progress.observe('room-a', 'w1', { type: 'progress', job_id, worker: 'w1', at, phase });
    }
    first.curves.observe('room-a', {
      type: 'progress',
      job_id: 'job00001',
      worker: 'w1',
      at: '',
      phase: 'training',
      epoch,
    });
    await first.backup.stop();
    first.directory.leave('room-a', 'w1', link);

    const second = await run();
    assert.deepEqual(
      second.directory.peers('room-a').map(({ peer_id }) => peer_id),
      ['w1'],
      'peers that were sent away by the stop are still known',
    );
    assert.deepEqual(
      second.progress.of('room-a').map(({ payload }) => payload.job_id),
      ['job00001'],
    );
    assert.deepEqual(second.curves.of('room-a', 'job00001')[0]?.val_loss, [0.5]);
    await second.backup.stop();
  });

  it('starts empty, and works on, where the backup is damaged', async () => {
    const { s3 } = servers.aws();
    const Bucket = servers.config.stateBucket ?? '';
    await s3.send(new PutObjectCommand({ Bucket, Key: 'signaling/state.json', Body: '{"version":1,"peers":' }));
    const { directory, backup } = await run();
    assert.deepEqual(directory.snapshot(), {});
    await directory.join('room-a', worker, link);
    await backup.stop();
    const next = await run();
    assert.deepEqual(Object.keys(next.directory.snapshot()), ['room-a']);
    await next.backup.stop();
    s3.destroy();
  });
});
