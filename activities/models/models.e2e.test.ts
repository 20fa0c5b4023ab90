import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFile, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { InferenceSpec, JobInput, TrainingSpec } from '../../protocol/jobs/job.ts';
import { ModelEntry } from '../../protocol/models/manifest.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import type { TrainedModel } from '../../protocol/stored/stored-objects.ts';
import type { Bucket } from '../../storage/index.ts';
import { S3Proxy } from '../../test/faults/s3-proxy.ts';
import { keysIn, textIn } from '../../test/support/bucket.ts';
import { startTestS3, type TestS3 } from '../../test/workflows/s3.ts';
import { describeFolder } from '../files/file-hashes.ts';
import { activityEnvironment } from '../testing/activity-environment.ts';
import type { ModelDeps } from './deps.ts';
import { createModelActivities } from './index.ts';
import { ModelCache } from './model-cache.ts';

const ROOM = 'lab-flies';

const sentFiles = (...paths: string[]) => paths.map((path) => ({ path, size_bytes: 1, sha256: 'a'.repeat(64) }));

describe('models in S3', function () {
  this.timeout(60_000);
  let server: TestS3;
  let bucket: Bucket;
  let workDir: string;
  let number = 0;

  before(async function () {
    this.timeout(600_000);
    server = await startTestS3();
    bucket = server.bucket;
  });
  after(() => server?.stop());
  beforeEach(async () => {
    workDir = await mkdtemp(join(tmpdir(), 'sleap-rtc-models-'));
    number += 1;
  });
  afterEach(() => rm(workDir, { recursive: true, force: true }));

  /** A model folder as `train` leaves it, under an id of its own. */
  async function trainedModel(
    jobId: string,
    content = 'weights',
  ): Promise<{ input: JobInput<TrainingSpec>; trained: TrainedModel }> {
    const folder = join(workDir, 'jobs', jobId, 'models', 'centroid');
    await mkdir(folder, { recursive: true });
    await mkdir(join(workDir, 'jobs', jobId, 'logs'), { recursive: true });
    await writeFile(join(folder, 'best.ckpt'), content);
    await writeFile(join(folder, 'training_config.json'), '{}');
    await writeFile(join(workDir, 'jobs', jobId, 'logs', 'centroid.log'), 'epoch 1\n');
    const run = {
      name: 'centroid',
      config: 'c.yaml',
      train_labels: ['l.slp'],
      val_labels: [],
      model_type: 'centroid' as const,
    };
    return {
      input: {
        spec: {
          kind: 'training',
          job_id: jobId,
          name: 'flies',
          files: sentFiles('c.yaml', 'l.slp'),
          requirements: {},
          stage: true,
          runs: [run],
          alias: 'flies',
          notes: 'a note',
          tags: ['fly'],
        },
        context: { room_id: ROOM, user_id: 'her', submitted_at: new Date().toISOString() },
      },
      trained: {
        run: 'centroid',
        run_index: 0,
        model_id: number.toString(16).padStart(8, '0'),
        model_type: 'centroid',
        dataset_hash: 'd7f3a1b2',
        epochs: 2,
        final_loss: 0.5,
        training_duration_sec: 3,
        trained_at: new Date().toISOString(),
        stopped_early: false,
        files: await describeFolder(folder),
      },
    };
  }

  function inferenceJob(jobId: string, models: string[]): JobInput<InferenceSpec> {
    const common = { job_id: jobId, name: 'clip.mp4', files: sentFiles('clip.mp4'), requirements: {}, stage: true };
    return {
      spec: { kind: 'inference', ...common, models, input: 'clip.mp4', tracking: false },
      context: { room_id: ROOM, user_id: 'her', submitted_at: new Date().toISOString() },
    };
  }

  const activities = (dir = workDir, over: Partial<ModelDeps> = {}) =>
    createModelActivities({
      bucket,
      workDir: dir,
      worker: 'gpu-1',
      findModel: async (id) => ({ id }) as ModelEntry,
      publishProgress: () => {},
      logger: pino({ level: 'silent' }),
      ...over,
    });

  async function upload(args: Awaited<ReturnType<typeof trainedModel>>, over: Partial<ModelDeps> = {}) {
    const { uploadModel } = activities(workDir, over);
    return activityEnvironment('uploadModel').run((a: typeof args) => uploadModel(a), args);
  }

  async function keys(prefix: string): Promise<string[]> {
    return (await keysIn(bucket, prefix)).map((key) => key.slice(prefix.length));
  }

  it('publishes the seed’s layout and an entry with every field of its schema', async () => {
    const args = await trainedModel('uploadjob1');
    const entry = ModelEntry.parse(await upload(args));
    const id = args.trained.model_id;
    assert.deepEqual(await keys(`${ROOM}/models/${id}/`), ['best.ckpt', 'files.json', 'training_config.json']);
    assert.deepEqual(await keys(`${ROOM}/jobs/uploadjob1/`), ['logs/centroid.log']);
    assert.equal(entry.checkpoint_path, `s3://${bucket.name}/${ROOM}/models/${id}/best.ckpt`);
    assert.equal(entry.size_bytes, 9);
    assert.equal(entry.alias, 'flies');
    assert.deepEqual(entry.available_on_workers, ['gpu-1']);
    assert.equal(
      await new ModelCache({ bucket, workDir }).has(id),
      true,
      'and is in the cache of the worker that trained it',
    );
  });

  it('waits for S3 and says so: a finished training is not lost because S3 is unavailable', async () => {
    const args = await trainedModel('uploadwait');
    const network = await S3Proxy.start(server.endpoint);
    const through = server.bucketAt(network.url);
    await network.stopServing();
    const details: string[] = [];
    try {
      const entry = ModelEntry.parse(
        await upload(args, {
          bucket: through,
          publishProgress: ({ detail }) => {
            if (detail === undefined) return;
            details.push(detail);
            if (details.length === 2) void network.serveAgain();
          },
        }),
      );
      assert.equal(entry.id, args.trained.model_id);
      assert.match(details[0] ?? '', /waiting for the room’s storage.*model is safe on gpu-1/);
    } finally {
      through.s3.destroy();
      await network[Symbol.asyncDispose]();
    }
  });

  it('finishes an interrupted upload when it is retried, with the same result', async () => {
    const args = await trainedModel('uploadjob2');
    const first = await upload(args);
    assert.deepEqual(await upload(args), first);
  });

  it('never mixes two jobs’ files under one model id', async () => {
    const first = await trainedModel('uploadjob3', 'first');
    const second = await trainedModel('uploadjob4', 'second');
    await upload(first);
    await assert.rejects(
      upload(second),
      (error: unknown) => error instanceof SleapRtcError && error.code === 'MODEL_EXISTS',
    );
    const key = `${ROOM}/models/${first.trained.model_id}/best.ckpt`;
    assert.equal(await textIn(bucket, key), 'first');
  });

  it('lets one of two jobs that upload the same model at once publish it, and refuses the other', async () => {
    const both = [await trainedModel('uploadjob5', 'five'), await trainedModel('uploadjob6', 'six')];
    const results = await Promise.allSettled(both.map((args) => upload(args)));
    const won = results.findIndex(({ status }) => status === 'fulfilled');
    const codes = results.flatMap((r) => (r.status === 'rejected' ? [(r.reason as SleapRtcError).code] : []));
    assert.ok(codes.length === 1 && ['MODEL_EXISTS', 'TRANSFER_FAILED'].includes(codes[0] ?? ''), codes.join());
    const other = join(workDir, 'other');
    const folder = await new ModelCache({ bucket, workDir: other }).ensure(both[0]?.trained.model_id ?? '', ROOM, {
      signal: AbortSignal.timeout(10_000),
    });
    assert.equal(await readFile(join(folder, 'best.ckpt'), 'utf8'), won === 0 ? 'five' : 'six');
  });

  /** Uploads with a claim that lives briefly, and stays in the middle of it until `release`. */
  async function slowUpload(args: Awaited<ReturnType<typeof trainedModel>>, claimLifeMs: number) {
    const network = await S3Proxy.start(server.endpoint);
    const slow = server.bucketAt(network.url);
    const { arrived, release } = network.hold(/^PUT .*best\.ckpt/);
    const uploadAndLeave = async () => {
      try {
        await upload(args, { bucket: slow, claimLifeMs });
      } finally {
        slow.s3.destroy();
        await network[Symbol.asyncDispose]();
      }
    };
    const uploaded = uploadAndLeave();
    uploaded.catch(() => undefined);
    await arrived;
    return { uploaded, release };
  }

  it('an upload that takes longer than a claim lives renews its claim: no other job may write beside it', async () => {
    const [first, second] = [await trainedModel('uploadjobc', 'first'), await trainedModel('uploadjobd', 'second')];
    const claimLifeMs = 2_000;
    const { uploaded, release } = await slowUpload(first, claimLifeMs);
    const claim = s3Layout.modelClaim(ROOM, first.trained.model_id);
    const claimedAt = async () => {
      const object = await bucket.get(claim);
      await object?.text();
      return object?.modifiedMs ?? 0;
    };
    const begunAt = await claimedAt();
    while ((await claimedAt()) < begunAt + 2 * claimLifeMs);
    await assert.rejects(upload(second, { claimLifeMs }), { code: 'TRANSFER_FAILED' });
    release();
    await uploaded;
    await assert.rejects(upload(second, { claimLifeMs }), { code: 'MODEL_EXISTS' });
  });

  it('an upload that another attempt of its job has taken over writes nothing more', async () => {
    const args = await trainedModel('uploadjobe');
    const { uploaded } = await slowUpload(args, 500);
    await upload(args);
    await assert.rejects(uploaded, { code: 'TRANSFER_FAILED' });
  });

  it('brings a model to another worker once, however many ask', async () => {
    const args = await trainedModel('uploadjob7');
    await upload(args);
    const cache = new ModelCache({ bucket, workDir: join(workDir, 'other') });
    const signal = AbortSignal.timeout(10_000);
    const folders = await Promise.all(
      Array.from({ length: 5 }, () => cache.ensure(args.trained.model_id, ROOM, { signal })),
    );
    assert.equal(new Set(folders).size, 1);
    assert.deepEqual(await readdir(join(workDir, 'other', 'models')), [args.trained.model_id]);
    assert.deepEqual((await readdir(folders[0] ?? '')).sort(), ['best.ckpt', 'files.json', 'training_config.json']);
  });

  it('a caller that gives up does not take the download from the others', async () => {
    const args = await trainedModel('uploadjob8');
    await upload(args);
    const cache = new ModelCache({ bucket, workDir: join(workDir, 'other') });
    const impatient = new AbortController();
    const first = cache.ensure(args.trained.model_id, ROOM, { signal: impatient.signal });
    const second = cache.ensure(args.trained.model_id, ROOM, { signal: AbortSignal.timeout(10_000) });
    impatient.abort();
    await assert.rejects(first, { name: 'AbortError' });
    await second;
  });

  it('never caches a damaged model', async () => {
    const args = await trainedModel('uploadjob9');
    await upload(args);
    const key = `${ROOM}/models/${args.trained.model_id}/best.ckpt`;
    await bucket.put(key, 'WEIGHTS');
    const other = join(workDir, 'other');
    const cache = new ModelCache({ bucket, workDir: other });
    await assert.rejects(
      cache.ensure(args.trained.model_id, ROOM, { signal: AbortSignal.timeout(10_000) }),
      (error: unknown) => error instanceof SleapRtcError && error.code === 'INTEGRITY',
    );
    assert.deepEqual(await readdir(join(other, 'models')), []);
  });

  it('says which model the room lacks', async () => {
    const cache = new ModelCache({ bucket, workDir });
    await assert.rejects(
      cache.ensure('ffffffff', ROOM, { signal: AbortSignal.timeout(10_000) }),
      (error: unknown) => error instanceof SleapRtcError && error.code === 'MODEL_NOT_FOUND',
    );
  });

  it('uploads predictions for a researcher who is offline, with the list that says they are whole', async () => {
    const results = join(workDir, 'jobs', 'inferjob01', 'results');
    await mkdir(results, { recursive: true });
    await writeFile(join(results, 'clip.mp4.predictions.slp'), 'poses');
    const args = { input: inferenceJob('inferjob01', ['a3f5e8c9']) };
    const { uploadResults } = activities();
    await activityEnvironment('uploadResults').run((a: typeof args) => uploadResults(a), args);
    const prefix = `${ROOM}/jobs/inferjob01/`;
    assert.deepEqual(await keys(prefix), ['results.json', 'results/clip.mp4.predictions.slp']);
    const sha256 = createHash('sha256').update('poses').digest('hex');
    assert.deepEqual(JSON.parse(await textIn(bucket, `${prefix}results.json`)), {
      job_id: 'inferjob01',
      files: [{ path: 'clip.mp4.predictions.slp', size_bytes: 5, sha256 }],
    });
  });

  it('returns the models that a job had to download, so that the room can know which workers have them', async () => {
    const trained = await trainedModel('uploadjobb');
    await upload(trained);
    const id = trained.trained.model_id;
    const args = { input: inferenceJob('inferjob02', [id]) };
    const { ensureModels } = activities(join(workDir, 'other'));
    const ensure = () => activityEnvironment('ensureModels').run((a: typeof args) => ensureModels(a), args);
    assert.deepEqual(await ensure(), { fetched: [id] });
    assert.deepEqual(await ensure(), { fetched: [] });
  });

  it('downloads no model that the room’s manifest does not name', async () => {
    const trained = await trainedModel('uploadjobe');
    await upload(trained);
    const args = { input: inferenceJob('inferjob03', [trained.trained.model_id]) };
    const { ensureModels } = activities(join(workDir, 'other'), { findModel: async () => undefined });
    const ensured = activityEnvironment('ensureModels').run((a: typeof args) => ensureModels(a), args);
    await assert.rejects(ensured, { code: 'MODEL_NOT_FOUND' });
  });

  it('refuses a model whose labels refer to other files of the worker, each time', async () => {
    const hostile = join(import.meta.dirname, '../../labels/testing/hdf5/storage.old.slp');
    const args = await trainedModel('uploadjobf');
    const folder = join(workDir, 'jobs', 'uploadjobf', 'models', 'centroid');
    await copyFile(hostile, join(folder, 'labels_gt.train.0.slp'));
    args.trained.files = await describeFolder(folder);
    await upload(args);
    const id = args.trained.model_id;
    const job = { input: inferenceJob('inferjob04', [id]) };
    const { ensureModels } = activities(join(workDir, 'other'));
    for (const _ of ['downloaded', 'in the cache']) {
      const ensured = activityEnvironment('ensureModels').run((a: typeof job) => ensureModels(a), job);
      const message = new RegExp(`^labels_gt\\.train\\.0\\.slp of model ${id} refers to another file: "/points"`);
      await assert.rejects(ensured, { code: 'REFERS_OUTSIDE', message });
    }
  });

  it('uploads a changed file again', async () => {
    const args = await trainedModel('uploadjoba');
    await upload(args);
    await appendFile(join(workDir, 'jobs', 'uploadjoba', 'logs', 'centroid.log'), 'epoch 2\n');
    await upload(args);
    assert.equal(await textIn(bucket, `${ROOM}/jobs/uploadjoba/logs/centroid.log`), 'epoch 1\nepoch 2\n');
  });
});
