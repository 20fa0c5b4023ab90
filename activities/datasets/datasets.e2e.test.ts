import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import type { FileEntry } from '../../protocol/files.ts';
import type { JobInput } from '../../protocol/jobs/job.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import type { Bucket } from '../../storage/index.ts';
import { keysIn, textIn } from '../../test/support/bucket.ts';
import { trainingInput } from '../../test/workflows/job-inputs.ts';
import { startTestS3 } from '../../test/workflows/s3.ts';
import { createClearJobStorage } from '../cleanup/index.ts';
import { describeFile } from '../files/file-hashes.ts';
import { activityEnvironment } from '../testing/activity-environment.ts';
import { createDatasetActivities, fetchStaged } from './index.ts';

const ROOM = 'lab-mice';

describe('staged datasets, on a real S3 server', function () {
  this.timeout(60_000);
  let bucket: Bucket;
  let stop: () => Promise<void>;
  let dir: string;

  before(async () => {
    ({ bucket, stop } = await startTestS3());
  });
  after(() => stop?.());
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-datasets-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  /** A worker that has received the files of a job. */
  async function workerWith(worker: string, contents: Record<string, Buffer | string>): Promise<JobInput> {
    const input = trainingInput({ room: ROOM });
    const files: FileEntry[] = [];
    for (const [name, content] of Object.entries(contents)) {
      const path = join(dir, worker, 'jobs', input.spec.job_id, 'dataset', name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      files.push(await describeFile(path, name));
    }
    const [{ path } = { path: '' }] = files;
    const runs = input.spec.runs.map((run) => ({ ...run, config: path, train_labels: [path] }));
    return { ...input, spec: { ...input.spec, files, runs } };
  }

  const reported: string[] = [];
  async function stage(worker: string, input: JobInput): Promise<void> {
    const { stageDataset } = createDatasetActivities({
      bucket,
      workDir: join(dir, worker),
      publishProgress: ({ staging }) => void reported.push(staging ?? 'something else'),
      logger: pino({ level: 'silent' }),
    });
    await activityEnvironment('stageDataset').run((args: { input: JobInput }) => stageDataset(args), { input });
  }
  const fetch = (input: JobInput, to: string) =>
    fetchStaged({
      bucket,
      room: ROOM,
      folder: join(dir, to),
      partial: join(dir, `${to}-partial`),
      entries: input.spec.files,
      signal: new AbortController().signal,
      onBytes: () => {},
    });
  const clear = ({ spec }: JobInput) =>
    createClearJobStorage({ bucket })({
      room_id: ROOM,
      job_id: spec.job_id,
      dataset: spec.files.map(({ sha256 }) => sha256),
    });
  const keys = () => keysIn(bucket, `${ROOM}/datasets/`);

  it('reach another worker with the same bytes, with folders and empty files, and the room is informed', async () => {
    const large = Buffer.alloc(70 * 2 ** 20, 'sleap');
    const input = await workerWith('worker-1', { 'labels.pkg.slp': large, 'more/x.yaml': 'x: 1', empty: '' });
    await stage('worker-1', input);
    assert.deepEqual(reported, ['staged']);
    await mkdir(join(dir, 'worker-2'));
    assert.deepEqual(await fetch(input, 'worker-2'), []);
    assert.ok(large.equals(await readFile(join(dir, 'worker-2', 'labels.pkg.slp'))));
    assert.equal(await readFile(join(dir, 'worker-2', 'more/x.yaml'), 'utf8'), 'x: 1');
    assert.deepEqual((await readdir(join(dir, 'worker-2'))).sort(), ['empty', 'labels.pkg.slp', 'more']);
    await clear(input);
    assert.deepEqual(await keys(), []);
  });

  it('resume an interrupted download, and never have their name before they are whole', async () => {
    const content = Buffer.alloc(2 ** 20, 'abc');
    const input = await workerWith('worker-1', { data: content });
    await stage('worker-1', input);
    const [entry] = input.spec.files;
    assert.ok(entry);
    await mkdir(join(dir, 'there-partial'));
    await mkdir(join(dir, 'there'));
    await writeFile(join(dir, 'there-partial', `${entry.sha256}-0`), content.subarray(0, 1_000_000));
    let bytes = 0;
    const left = await fetchStaged({
      bucket,
      room: ROOM,
      folder: join(dir, 'there'),
      partial: join(dir, 'there-partial'),
      entries: [entry],
      signal: new AbortController().signal,
      onBytes: (more) => {
        bytes += more;
      },
    });
    assert.deepEqual(left, []);
    assert.equal(bytes, content.length);
    assert.ok(content.equals(await readFile(join(dir, 'there', 'data'))));
    await clear(input);
  });

  it('that are damaged or missing in S3 are named, so that they come from the researcher', async () => {
    const input = await workerWith('worker-1', { good: 'good', bad: 'bad', absent: 'absent' });
    const [good, bad] = input.spec.files;
    assert.ok(good && bad);
    await bucket.put(s3Layout.dataset(ROOM, good.sha256), 'good');
    await bucket.put(s3Layout.dataset(ROOM, bad.sha256), 'bax');
    await mkdir(join(dir, 'there'));
    const left = await fetch(input, 'there');
    assert.deepEqual(left.map(({ path }) => path).sort(), ['absent', 'bad']);
    assert.deepEqual(await readdir(join(dir, 'there')), ['good']);
    await clear(input);
  });

  it('are stored once for all jobs, and removed with the last job', async () => {
    const first = await workerWith('worker-1', { data: 'the same' });
    const second = await workerWith('worker-2', { data: 'the same' });
    await Promise.all([stage('worker-1', first), stage('worker-2', second)]);
    const hash = first.spec.files[0]?.sha256 ?? '';
    await clear(first);
    assert.equal(await textIn(bucket, s3Layout.dataset(ROOM, hash)), 'the same');
    await clear(second);
    assert.deepEqual(await keys(), []);
  });

  it('are not stored if a file was changed on the worker meanwhile', async () => {
    const input = await workerWith('worker-1', { small: 'as promised', large: Buffer.alloc(70 * 2 ** 20, 1) });
    const folder = join(dir, 'worker-1', 'jobs', input.spec.job_id, 'dataset');
    await writeFile(join(folder, 'large'), Buffer.alloc(70 * 2 ** 20, 2));
    await assert.rejects(stage('worker-1', input), { code: 'INTEGRITY' });
    const large = input.spec.files.find(({ path }) => path === 'large');
    assert.ok(!(await keys()).includes(s3Layout.dataset(ROOM, large?.sha256 ?? '')));
    await clear(input);
  });
});
