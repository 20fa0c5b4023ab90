import assert from 'node:assert/strict';
import type { JobStatus } from '../../protocol/jobs/job.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { Bucket } from '../../storage/index.ts';
import type { AwsClients } from '../aws.ts';
import type { ReportedJob } from '../jobs/jobs.ts';
import { startTestServers, type TestServers } from '../testing/test-servers.ts';
import { LossCurves } from './loss-curves.ts';
import { createCurveReader } from './read-curves.ts';

const JOB = 'job00000001';
const model = (id: string, run: string) => ({ id, run, model_type: 'centroid' as const, aliases: [] });
const status: JobStatus = {
  job_id: JOB,
  kind: 'training',
  name: 'mice',
  user_id: 'user-1',
  phase: 'done',
  detail: '',
  worker: 'w1',
  models: [model('a3f5e8c9', 'centroid'), model('b3f5e8c9', 'centered'), model('c3f5e8c9', 'without-log')],
  submitted_at: '2026-01-01T00:00:00Z',
  error: null,
};

function reported(of: JobStatus): ReportedJob {
  return { status: of, requirements: {}, sessionId: null, complete: true };
}

describe('a job’s curves on real S3', () => {
  let servers: TestServers;
  let aws: AwsClients;
  let bucket: Bucket;

  before(async function () {
    this.timeout(60_000);
    servers = await startTestServers(['s3']);
    aws = servers.aws();
    bucket = new Bucket(aws.s3, servers.config.bucket);
    for (const [id, loss] of [
      ['a3f5e8c9', 0.5],
      ['b3f5e8c9', 0.25],
    ] as const) {
      const Key = `${s3Layout.model('room-a', id)}training_log.csv`;
      const Body = `epoch,train/loss,val/loss\n0,,${loss}\n`;
      await bucket.put(Key, Body);
    }
  });
  after(async () => {
    aws?.destroy();
    await servers?.[Symbol.asyncDispose]();
  });

  const reader = (live: LossCurves, asked: string[] = []) =>
    createCurveReader({
      live,
      jobs: {
        read: async (roomId) => {
          asked.push(roomId);
          return reported(status);
        },
      },
      bucket,
    });

  it('of a finished job are those of its models’ logs, for as long as the models are there', async () => {
    const curves = await reader(new LossCurves())('room-a', JOB);
    assert.deepEqual(
      curves.map(({ run, run_index, val_loss }) => [run, run_index, val_loss]),
      [
        ['centroid', 0, [0.5]],
        ['centered', 1, [0.25]],
      ],
    );
    assert.deepEqual(await reader(new LossCurves())('room-b', JOB), [], 'another room’s folder is not looked into');
  });

  it('of a running job are those that its worker reports; Temporal is not asked', async () => {
    const live = new LossCurves();
    const epoch = { run: 'centroid', run_index: 0, run_count: 1, epoch: 2, max_epochs: 5, seconds_left: null };
    live.observe('room-a', {
      job_id: JOB,
      epoch: { ...epoch, train_loss: 1, val_loss: 2 },
    });
    const asked: string[] = [];
    const [curve] = await reader(live, asked)('room-a', JOB);
    assert.deepEqual(curve?.epochs, [2]);
    assert.deepEqual(asked, []);
  });

  it('of a job that failed are those that were uploaded while it trained', async () => {
    const Key = `${s3Layout.jobCurves('room-b', JOB)}1.top.down.csv`;
    const Body = 'epoch,train/loss,val/loss\n0,,0.5\n1,0.4,0.3\n';
    await bucket.put(Key, Body);
    const jobs = { read: async () => reported({ ...status, phase: 'failed', models: [] }) };
    const read = createCurveReader({ live: new LossCurves(), jobs, bucket });
    const [curve] = await read('room-b', JOB);
    assert.deepEqual(
      [curve?.run, curve?.run_index, curve?.epochs, curve?.val_loss],
      ['top.down', 1, [1, 2], [0.5, 0.3]],
    );
  });
});
