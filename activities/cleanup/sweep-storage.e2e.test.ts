import assert from 'node:assert/strict';
import { emptyManifest } from '../../protocol/models/manifest.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { keysIn } from '../../test/support/bucket.ts';
import { modelEntry, trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { startTestS3, type TestS3 } from '../../test/workflows/s3.ts';
import { claimModel } from '../models/claim-model.ts';
import { createClearJobStorage } from './clear-job-storage.ts';
import { type JobFate, sweepStorage } from './sweep-storage.ts';

const [shared, mine, orphan] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];
const [uploaded, published] = ['11111111', '22222222'] as const;

describe('what jobs have left in S3 that ended while no control worker ran', function () {
  this.timeout(60_000);
  let storage: TestS3;
  before(async () => {
    storage = await startTestS3();
  });
  after(() => storage?.stop());

  const put = (key: string, body = 'x') => storage.bucket.put(key, body);
  const keys = (room: string) => keysIn(storage.bucket, `${room}/`);
  const sweep = (fates: Record<string, JobFate>) => {
    const fateOf = async (_: string, job: string): Promise<JobFate> => fates[job] ?? 'unknown';
    return sweepStorage({ ...storage, fateOf, signal: new AbortController().signal });
  };

  it('is removed, and what a running or paused job needs, or people may want, stays', async () => {
    const room = 'left';
    const stays = [
      s3Layout.dataset(room, shared),
      `${s3Layout.datasetUsers(room, shared)}running1`,
      `${s3Layout.jobCheckpoints(room, 'running1')}run-0/latest.json`,
      `${s3Layout.job(room, 'ended001')}logs/centroid.log`,
      s3Layout.jobResultFiles(room, 'ended001'),
    ];
    const removed = [
      `${s3Layout.datasetUsers(room, shared)}ended001`,
      s3Layout.dataset(room, mine),
      `${s3Layout.datasetUsers(room, mine)}ended001`,
      s3Layout.dataset(room, orphan),
      `${s3Layout.jobCheckpoints(room, 'ended001')}run-0/latest.json`,
      // Of a job that Temporal no longer has, written by an orphaned worker.
      `${s3Layout.jobCheckpoints(room, 'forgot01')}run-0/latest.json`,
    ];
    for (const key of [...stays, ...removed]) await put(key);
    const swept = await sweep({ running1: 'running', ended001: 'failed' });
    assert.deepEqual(swept.sort(), ['ended001', 'forgot01']);
    assert.deepEqual(await keys(room), stays.sort());
    assert.deepEqual(await sweep({ running1: 'running' }), [], 'nothing is left to do');
  });

  it('includes a model that a failed job did not publish, but never one that the manifest has or may have', async () => {
    const input = trainingInput({ room: 'models' });
    const entry = { ...modelEntry(input, trainedModel(input, 0), 'worker-1'), id: published };
    const manifest = { ...emptyManifest('models', new Date()), models: { [published]: entry } };
    const rooms = { models: JSON.stringify(manifest), damaged: '{' };
    for (const [room, text] of Object.entries(rooms)) {
      await put(s3Layout.manifest(room), text);
      for (const id of [uploaded, published]) {
        await put(`${s3Layout.model(room, id)}claim.json`, JSON.stringify({ job_id: 'failed01' }));
        await put(`${s3Layout.model(room, id)}best.ckpt`);
      }
    }
    await sweep({ failed01: 'done' });
    assert.equal((await keys('models')).length, 5, 'a job that is done has published what it has');
    await sweep({ failed01: 'failed' });
    assert.deepEqual(
      (await keys('models')).filter((key) => key.includes('/models/')),
      ['best.ckpt', 'claim.json'].map((name) => s3Layout.model('models', published) + name),
    );
    assert.equal((await keys('damaged')).length, 5);
  });

  it('is all removed, but for its record, if its room was deleted meanwhile', async () => {
    const room = 'deleted';
    const record = {
      room_id: room,
      token: '',
      owner_token: '',
      viewer_token: '',
      created_at: 1,
      expires_at: 2,
      created_by: 'u',
    };
    await put(s3Layout.room(room), JSON.stringify({ ...record, deleted_at: 3 }));
    await put(s3Layout.manifest(room), JSON.stringify(emptyManifest(room, new Date())));
    await put(`${s3Layout.model(room, published)}best.ckpt`);
    await put(s3Layout.dataset(room, shared));
    await sweep({});
    assert.deepEqual(await keys(room), [s3Layout.room(room)]);
  });

  it('stays if a job that relies on it has started meanwhile', async () => {
    const room = 'meanwhile';
    await put(s3Layout.dataset(room, orphan));
    await put(`${s3Layout.datasetUsers(room, mine)}ended001`);
    const fateOf = async (): Promise<JobFate> => {
      await put(`${s3Layout.datasetUsers(room, orphan)}newjob01`);
      return 'done';
    };
    await sweepStorage({ ...storage, fateOf, signal: new AbortController().signal });
    assert.deepEqual(await keys(room), [
      s3Layout.dataset(room, orphan),
      `${s3Layout.datasetUsers(room, orphan)}newjob01`,
    ]);
  });

  it('is found even if other objects are damaged', async () => {
    const room = 'mixed';
    await put(s3Layout.manifest(room), JSON.stringify(emptyManifest(room, new Date())));
    const damaged = [`${s3Layout.model(room, uploaded)}claim.json`, s3Layout.modelFiles(room, published)];
    for (const key of damaged) await put(key, '{');
    await put(s3Layout.dataset(room, orphan));
    await sweep({});
    assert.deepEqual(await keys(room), [s3Layout.manifest(room), ...damaged].sort());
  });

  it('of a model is removed by a second sweep if the first broke off, and no other job uploads files to it in between', async () => {
    const [room, job_id] = ['again', 'failed01'];
    const model = { bucket: storage.bucket, room, modelId: uploaded };
    await put(`${s3Layout.model(room, uploaded)}best.ckpt`);
    await put(s3Layout.modelFiles(room, uploaded), JSON.stringify({ job_id, model_id: uploaded, files: [] }));
    let breaks = true;
    const { s3 } = storage.bucket;
    s3.middlewareStack.add(
      (next) => async (args) => {
        const { Key = '' } = args.input as { Key?: string };
        if (breaks && Key.endsWith('best.ckpt')) {
          breaks = false;
          await assert.rejects(claimModel(model, 'another1'), { code: 'TRANSFER_FAILED' });
          throw Object.assign(new Error('cut'), { code: 'ECONNRESET' });
        }
        return next(args);
      },
      { step: 'initialize', name: 'breaks' },
    );
    const clear = () => createClearJobStorage(storage)({ room_id: room, job_id, dataset: [], unpublished: [uploaded] });
    try {
      await assert.rejects(clear(), { code: 'STORAGE_UNREACHABLE' });
    } finally {
      s3.middlewareStack.remove('breaks');
    }
    await clear();
    assert.deepEqual(await keys(room), []);
  });
});
