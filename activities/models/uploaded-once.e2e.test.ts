import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import type { TrainedModel } from '../../protocol/stored/stored-objects.ts';
import { keysIn } from '../../test/support/bucket.ts';
import { trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { startTestS3, type TestS3 } from '../../test/workflows/s3.ts';
import { RunCheckpoints } from '../checkpoints/index.ts';
import { FileHashes } from '../files/file-hashes.ts';
import { type Attempt, finishAttempt, newAttempt } from '../runs/attempts.ts';
import { collectModel } from '../runs/collect-model.ts';
import { runFolders } from '../runs/job-folders.ts';
import { epochEnds } from '../runs/testing/epoch-end.ts';
import { Sandbox } from '../sandbox/index.ts';
import { activityEnvironment } from '../testing/activity-environment.ts';
import { createModelActivities } from './index.ts';

const ROOM = 'lab-mice';
const WEIGHTS = 'w'.repeat(100_000);
const logger = pino({ level: 'silent' });

describe('a trained model, from its last checkpoint to the room', function () {
  this.timeout(60_000);
  let storage: TestS3;
  let workDir: string;
  const sent: number[] = [];

  before(async () => {
    storage = await startTestS3();
    storage.bucket.s3.middlewareStack.add(
      (next) => (args) => {
        const { method, headers } = args.request as { method: string; headers: Record<string, string> };
        const copied = headers['x-amz-copy-source'] !== undefined;
        if (method === 'PUT' && !copied) sent.push(Number(headers['content-length'] ?? 0));
        return next(args);
      },
      { step: 'finalizeRequest', name: 'countBytes', priority: 'low' },
    );
  });
  after(() => storage?.stop());
  beforeEach(async () => {
    workDir = await mkdtemp(join(tmpdir(), 'sleap-rtc-once-'));
    sent.length = 0;
  });
  afterEach(() => rm(workDir, { recursive: true, force: true }));

  /** Trains, as far as storage is concerned: the checkpoint is uploaded, the model collected and backed up. */
  async function train() {
    const input = trainingInput({ room: ROOM });
    const { job_id } = input.spec;
    const run = input.spec.runs[0]?.name ?? '';
    const folders = runFolders(workDir, job_id, run, 0);
    const hashes = new FileHashes();
    const checkpoints = new RunCheckpoints({
      place: { bucket: storage.bucket, room: ROOM, jobId: job_id, runIndex: 0 },
      ...{
        run,
        folders,
        term: 1,
        everyMs: 3_600_000,
        sandbox: Sandbox.none('python3'),
        hashes,
        logger,
        onWaiting() {},
      },
      signal: new AbortController().signal,
    });
    const attempt: Attempt = await newAttempt(folders.work, run, undefined, 1);
    await epochEnds(attempt, 2, { weights: WEIGHTS });
    // Only now: an upload before the end of training would send `last.ckpt`, too, which is as large as `best.ckpt`.
    const uploader = await checkpoints.uploader(attempt, () => {});
    uploader.trainingEnded();
    await uploader.attemptEnded(15_000);
    await uploader.close();
    const { files } = await collectModel([await finishAttempt(attempt)], folders.model, hashes);
    const trained: TrainedModel = { ...trainedModel(input, 0), run, files };
    await checkpoints.backUpModel(trained);
    const best = files.find(({ path }) => path === 'best.ckpt');
    assert.ok(best);
    return { input, trained, best };
  }

  async function publish(args: { input: Awaited<ReturnType<typeof train>>['input']; trained: TrainedModel }) {
    const deps = {
      bucket: storage.bucket,
      workDir,
      worker: 'gpu-1',
      publishProgress: () => {},
      findModel: async () => undefined,
      logger,
    };
    const { uploadModel } = createModelActivities(deps);
    await activityEnvironment().run((a: typeof args) => uploadModel(a), args);
  }

  /** Bytes of the model as the room has it. */
  async function published({ model_id, files }: TrainedModel): Promise<void> {
    const prefix = s3Layout.model(ROOM, model_id);
    const names = [...files.map(({ path }) => path), 'files.json'].sort();
    assert.deepEqual(
      await keysIn(storage.bucket, prefix),
      names.map((name) => prefix + name),
    );
    for (const { path, sha256 } of files) {
      const bytes = (await (await storage.bucket.get(prefix + path))?.bytes()) ?? new Uint8Array();
      assert.equal(crypto.createHash('sha256').update(bytes).digest('hex'), sha256, path);
    }
  }

  it('is read for its hash once, and sent to S3 once', async () => {
    const hashed = countHashes();
    let model: Awaited<ReturnType<typeof train>>;
    try {
      model = await train();
      await publish(model);
    } finally {
      hashed.stop();
    }
    const { best, trained } = model;
    assert.ok((await stat(join(workDir, 'models', trained.model_id, 'best.ckpt'))).size > WEIGHTS.length);
    assert.deepEqual(
      sent.filter((bytes) => bytes >= best.size_bytes),
      [best.size_bytes],
    );
    assert.equal(hashed.sizes.filter((bytes) => bytes === best.size_bytes).length, 1);
    await published(trained);
  });

  it('is sent again if its checkpoint is missing or is another file', async () => {
    for (const spoil of ['removed', 'replaced'] as const) {
      const { input, trained, best } = await train();
      const key = s3Layout.checkpointFile(ROOM, input.spec.job_id, 0, best.sha256);
      if (spoil === 'removed') await storage.bucket.remove(key);
      else await storage.bucket.put(key, 'something else');
      await publish({ input, trained });
      assert.equal(sent.filter((bytes) => bytes === best.size_bytes).length, 2, spoil);
      await published(trained);
      sent.length = 0;
    }
  });
});

/** Counts the bytes that go into each SHA-256 which this process computes from now on. */
function countHashes(): { sizes: number[]; stop: () => void } {
  const real = crypto.createHash;
  const sizes: number[] = [];
  crypto.createHash = (algorithm, options) => {
    const hash = real(algorithm, options);
    if (algorithm !== 'sha256') return hash;
    const index = sizes.push(0) - 1;
    for (const name of ['update', 'write'] as const) {
      const method = hash[name].bind(hash) as (...args: unknown[]) => unknown;
      Object.assign(hash, {
        [name]: (data: string | Uint8Array, ...rest: unknown[]) => {
          sizes[index] = (sizes[index] ?? 0) + Buffer.byteLength(data);
          return method(data, ...rest);
        },
      });
    }
    return hash;
  };
  syncBuiltinESMExports();
  return {
    sizes,
    stop() {
      crypto.createHash = real;
      syncBuiltinESMExports();
    },
  };
}
