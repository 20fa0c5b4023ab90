import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import type { TrainedModel } from '../../protocol/stored/stored-objects.ts';
import type { Bucket } from '../../storage/index.ts';
import { keysIn, textIn } from '../../test/support/bucket.ts';
import { startTestS3, type TestS3 } from '../../test/workflows/s3.ts';
import { describeFolder, FileHashes } from '../files/file-hashes.ts';
import { type Attempt, adoptAttempt, attemptSeconds, listAttempts, newAttempt } from '../runs/attempts.ts';
import { findResumePoint } from '../runs/inspect-checkpoint.ts';
import { epochEnds } from '../runs/testing/epoch-end.ts';
import { Sandbox } from '../sandbox/index.ts';
import { EarlyStops } from '../sleap-nn/training/early-stops.ts';
import { CheckpointUploader, type CheckpointUploaderOptions } from './checkpoint-uploader.ts';
import { claimRun, type RunPlace } from './latest.ts';
import { restoreCheckpoints } from './restore-checkpoints.ts';
import { backUpModel, restoreModel } from './trained-model-backup.ts';

const ROOM = 'lab-mice';
const logger = pino({ level: 'silent' });
const signal = new AbortController().signal;

const TRAINED: Omit<TrainedModel, 'files'> = {
  run: 'run',
  run_index: 0,
  model_id: '0123abcd',
  model_type: 'centroid',
  dataset_hash: 'da7a',
  epochs: 3,
  final_loss: 0.5,
  training_duration_sec: 1,
  trained_at: '2026-01-01T00:00:00.000Z',
  stopped_early: false,
};

describe('checkpoints, on a real S3 server', function () {
  this.timeout(60_000);
  let server: TestS3;
  let bucket: Bucket;
  let dir: string;
  let jobs = 0;
  let place: RunPlace;
  /** Each attempt and each worker gets a later term, as Temporal's server schedules them one after the other. */
  let term = 0;
  const begin = (work: string, from: Attempt | undefined) => {
    term += 1;
    return newAttempt(work, 'run', from, term);
  };

  before(async () => {
    server = await startTestS3();
    bucket = server.bucket;
  });
  after(() => server?.stop());
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-checkpoints-'));
    jobs += 1;
    place = { bucket, room: ROOM, jobId: `checkpointjob${jobs}`, runIndex: 0 };
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const uploaderOf = (attempts: readonly Attempt[], over: Partial<CheckpointUploaderOptions> = {}) =>
    new CheckpointUploader({
      ...{
        place,
        run: 'run',
        attempts,
        everyMs: 3_600_000,
        sandbox: Sandbox.none('python3'),
        hashes: new FileHashes(),
        logger,
        onSuperseded() {},
      },
      ...over,
    });
  const claim = () => {
    term += 1;
    return claimRun({ place, term, signal });
  };
  const restore = async (worker: string) => {
    const work = join(dir, worker);
    const checkpoints = await claim();
    const local = await listAttempts(work, 'run');
    const restored = await restoreCheckpoints({ place, checkpoints, work, run: 'run', local, logger, signal });
    return { restored, attempts: await listAttempts(work, 'run'), work };
  };
  const keys = () => keysIn(bucket, s3Layout.jobCheckpoints(ROOM, place.jobId));
  const latestText = () => textIn(bucket, s3Layout.latestCheckpoints(ROOM, place.jobId, 0));
  /** Uploads one checkpoint after each of these epochs. */
  async function uploadEpochs(
    attempts: readonly Attempt[],
    epochs: readonly number[],
    from = 0,
    over: Partial<CheckpointUploaderOptions> = {},
  ): Promise<void> {
    const attempt = attempts.at(-1);
    assert.ok(attempt);
    const uploader = uploaderOf(attempts, over);
    try {
      for (const epoch of epochs) {
        await epochEnds(attempt, epoch, { from });
        await uploader.attemptEnded(15_000);
      }
    } finally {
      await uploader.close();
    }
  }

  it('let another worker go on, and a third one from the attempts of both; labels are not uploaded', async () => {
    const first = await begin(join(dir, 'worker-1'), undefined);
    await uploadEpochs([first], [0, 1]);
    const second = await restore('worker-2');
    assert.equal(second.restored, true);
    const resume = await findResumePoint(second.attempts, { sandbox: Sandbox.none('python3'), logger, signal });
    assert.equal(resume?.epochsDone, 2);
    assert.deepEqual((await readdir(resume.attempt.runFolder)).sort(), [
      'best.ckpt',
      'last.ckpt',
      'training_config.yaml',
      'training_log.csv',
    ]);
    assert.ok(Math.abs((await attemptSeconds(resume.attempt)) - (await attemptSeconds(first))) < 1);

    const next = await begin(second.work, resume.attempt);
    await uploadEpochs([resume.attempt, next], [2, 3], 2);
    const third = await restore('worker-3');
    assert.deepEqual(
      third.attempts.map(({ number, resumed_from }) => [number, resumed_from]),
      [
        [1, null],
        [2, 1],
      ],
    );
    const best = await readFile(join(third.attempts[0]?.runFolder ?? '', 'best.ckpt'));
    assert.ok(best.equals(await readFile(join(first.runFolder, 'best.ckpt'))), 'the first worker’s best is not lost');
    assert.equal(
      (await findResumePoint(third.attempts, { sandbox: Sandbox.none('python3'), logger, signal }))?.epochsDone,
      4,
    );
  });

  it('let a worker end the run at once if the run was to stop early', async () => {
    const first = await begin(join(dir, 'worker-1'), undefined);
    await uploadEpochs([first], [0]);
    const stops = new EarlyStops();
    await stops.want(join(dir, 'worker-2'));
    const { restored, work } = await restore('worker-2');
    assert.deepEqual([restored, await stops.isWanted(work)], [true, true]);
  });

  it('stay in S3 twice: the one before the newest is used if the newest is damaged', async () => {
    const attempt = await begin(join(dir, 'worker-1'), undefined);
    await uploadEpochs([attempt], [0, 1, 2]);
    // latest.json, one config, and two of each: best, last, log.
    assert.equal((await keys()).length, 8);
    const copy = await restore('worker-2');
    const last = join(copy.attempts[0]?.runFolder ?? '', 'last.ckpt');
    const { sha256 } = await import('../files/file-hashes.ts').then(({ describeFile }) => describeFile(last, 'last'));
    const Key = (await keys()).find((key) => key.endsWith(sha256)) ?? '';
    await bucket.remove(Key);
    const { attempts } = await restore('worker-3');
    assert.equal(
      (await findResumePoint(attempts, { sandbox: Sandbox.none('python3'), logger, signal }))?.epochsDone,
      2,
    );
  });

  it('are uploaded and downloaded by any worker, even if the clock of the one before was ahead', async () => {
    const hourAhead = new Date(Date.now() + 3_600_000).toISOString();
    const first = { ...(await begin(join(dir, 'worker-1'), undefined)), started_at: hourAhead };
    const { folder, runFolder: _, ...record } = first;
    await adoptAttempt(folder, record);
    await uploadEpochs([first], [0]);
    const second = await restore('worker-2');
    const next = await begin(second.work, second.attempts[0]);
    await uploadEpochs([...second.attempts, next], [1], 1);
    for (const worker of ['worker-3', 'worker-1']) assert.equal((await restore(worker)).attempts.length, 2, worker);
  });

  it('replace a list that cannot be read, and checkpoints that are damaged', async () => {
    const Key = `${s3Layout.jobCheckpoints(ROOM, place.jobId)}run-0/latest.json`;
    for (const Body of ['{', '{"snapshots":"of another release"}']) {
      await bucket.put(Key, Body);
      assert.equal((await restore('worker-2')).restored, false);
      await bucket.put(Key, Body);
      await uploadEpochs([await begin(join(dir, 'worker-1'), undefined)], [0]);
      assert.equal((await restore('worker-2')).attempts.length, 1);
      await rm(join(dir, 'worker-2'), { recursive: true });
    }
    const weights = (await keys()).filter((key) => !key.endsWith('.json'));
    for (const key of weights) await bucket.remove(key);
    const { restored, work } = await restore('worker-3');
    assert.equal(restored, false);
    const fresh = await begin(work, undefined);
    await uploadEpochs([fresh], [0]);
    assert.equal((await restore('worker-4')).attempts[0]?.started_at, fresh.started_at);
  });

  it('of a training that is over are the model itself: nothing is trained again', async () => {
    const attempt = await begin(join(dir, 'worker-1'), undefined);
    const uploader = uploaderOf([attempt]);
    await epochEnds(attempt, 2);
    uploader.trainingEnded();
    await uploader.attemptEnded(15_000);
    await uploader.close();
    const [restored, ...others] = (await restore('worker-2')).attempts;
    assert.deepEqual(others, []);
    assert.ok(restored?.finished_at);
    assert.deepEqual((await readdir(restored.runFolder)).sort(), [
      'best.ckpt',
      'training_config.yaml',
      'training_log.csv',
    ]);
  });

  it('include the finished model, which another worker then downloads as a whole or not at all', async () => {
    const made = join(dir, 'worker-1', 'model');
    await mkdir(made, { recursive: true });
    for (const name of ['best.ckpt', 'labels_pr.val.0.slp'])
      await writeFile(join(made, name), `${place.jobId} ${name}`);
    const files = await describeFolder(made);
    await backUpModel({ place, term, folder: made, signal }, { ...TRAINED, files });

    const brought = join(dir, 'worker-2', 'models', 'model');
    assert.deepEqual(await restoreModel({ place, folder: brought, signal }, await claim()), { ...TRAINED, files });
    assert.deepEqual(await describeFolder(brought), files);

    const Key = (await keys()).find((key) => key.endsWith(files[0]?.sha256 ?? '')) ?? '';
    await bucket.remove(Key);
    assert.equal(await restoreModel({ place, folder: join(dir, 'worker-3'), signal }, await claim()), undefined);
    await assert.rejects(stat(join(dir, 'worker-3')));
  });

  it('do not delay a job if storage is slow', async () => {
    const silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const slow = server.bucketAt(`http://127.0.0.1:${port}`);
    const attempt = await begin(join(dir, 'worker-1'), undefined);
    await epochEnds(attempt, 0);
    const uploader = uploaderOf([attempt], { place: { ...place, bucket: slow }, everyMs: 0 });
    try {
      uploader.trainingEnded();
      await uploader.attemptEnded(1_000); // the test fails by mocha's timeout if this takes too long
    } finally {
      await uploader.close();
      slow.s3.destroy();
      silent.close();
      silent.closeAllConnections();
    }
  });

  it('are not uploaded if they are cut short during the copy', async () => {
    const attempt = await begin(join(dir, 'worker-1'), undefined);
    await epochEnds(attempt, 0);
    await truncate(join(attempt.runFolder, 'last.ckpt'), 100);
    const uploader = uploaderOf([attempt]);
    await uploader.attemptEnded(15_000);
    await uploader.close();
    assert.deepEqual(await keys(), []);
  });

  it('of an orphaned worker neither replace nor remove those of the worker that went on', async () => {
    const old = await begin(join(dir, 'worker-1'), undefined);
    await uploadEpochs([old], [0]);
    const { attempts, work } = await restore('worker-2');
    const resumed = attempts[0];
    assert.ok(resumed);
    const [uploaded, latest] = [await keys(), await latestText()];

    // The old worker has lost Temporal, but not S3. It trains on before the next one has uploaded anything.
    let superseded = 0;
    await uploadEpochs([old], [1, 2], 0, { onSuperseded: () => (superseded += 1) });
    assert.equal(superseded, 1);
    assert.equal(await latestText(), latest);
    const keysNow = await keys();
    assert.deepEqual(
      uploaded.filter((key) => !keysNow.includes(key)),
      [],
    );
    const made = { place, term: old.term, folder: old.runFolder, signal };
    await assert.rejects(backUpModel(made, { ...TRAINED, files: [] }), { code: 'WORKER_LOST' });

    const next = await begin(work, resumed);
    await uploadEpochs([resumed, next], [1], 1);
    await uploadEpochs([old], [6]);
    const third = await restore('worker-3');
    assert.deepEqual(
      third.attempts.map(({ number, term }) => [number, term]),
      [
        [1, old.term],
        [2, next.term],
      ],
    );
    assert.equal(
      (await findResumePoint(third.attempts, { sandbox: Sandbox.none('python3'), logger, signal }))?.epochsDone,
      2,
    );
  });

  it('of a worker that was orphaned before its first upload are not uploaded, even if its clock is ahead', async () => {
    const first = await begin(join(dir, 'worker-1'), undefined);
    const { folder, runFolder: _, ...record } = first;
    const ahead = { ...first, started_at: new Date(Date.now() + 3_600_000).toISOString() };
    await adoptAttempt(folder, { ...record, started_at: ahead.started_at });
    const { restored, work } = await restore('worker-2');
    assert.equal(restored, false);
    await uploadEpochs([ahead], [7]);
    const second = await begin(work, undefined);
    await uploadEpochs([second], [0]);
    await uploadEpochs([ahead], [8]);
    assert.equal((await restore('worker-3')).attempts[0]?.started_at, second.started_at);
  });

  it('are uploaded on their own while training goes on', async () => {
    const attempt = await begin(join(dir, 'worker-1'), undefined);
    const uploader = uploaderOf([attempt]);
    await epochEnds(attempt, 0);
    while (!(await keys()).some((key) => key.endsWith('latest.json')));
    await uploader.close();
    assert.equal((await restore('worker-2')).restored, true);
  });

  it('of earlier attempts on the same worker are left alone if they are the newest', async () => {
    const attempt = await begin(join(dir, 'worker-1'), undefined);
    await uploadEpochs([attempt], [0]);
    await epochEnds(attempt, 1);
    const { restored, attempts } = await restore('worker-1');
    assert.equal(restored, false);
    assert.equal(
      (await findResumePoint(attempts, { sandbox: Sandbox.none('python3'), logger, signal }))?.epochsDone,
      2,
    );
  });
});
