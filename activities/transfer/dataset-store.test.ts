import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Bucket, createS3Client } from '../../storage/index.ts';
import { acceptPeers, describeFiles, type SignalingClient, type SourceFile, sendFiles } from '../../transport/index.ts';
import { join as joinRoom } from '../../transport/testing/join.ts';
import { Owned } from '../../transport/testing/owned.ts';
import { temporaryFolder } from '../../transport/testing/temporary-folder.ts';
import { TestSignaling } from '../../transport/testing/test-signaling.ts';
import { writeOld } from '../../transport/testing/transfer.ts';
import { activityEnvironment } from '../testing/activity-environment.ts';
import { DatasetStore } from './dataset-store.ts';
import { createReceiveDataset } from './receive-dataset.ts';

const MiB = 1024 * 1024;
const { signal } = new AbortController();

describe('the datasets on a worker’s disk', () => {
  const owned = new Owned();
  let home: string;
  let workDir: string;

  beforeEach(async () => {
    home = owned.add(await temporaryFolder()).path;
    workDir = owned.add(await temporaryFolder()).path;
  });
  afterEach(owned.end);

  async function make(files: Record<string, number>): Promise<SourceFile[]> {
    const list = [];
    for (const [path, size] of Object.entries(files)) {
      list.push({ path, absolutePath: await writeOld(home, path, size) });
    }
    return describeFiles(list);
  }

  const entries = (files: SourceFile[]) => files.map(({ entry }) => entry);
  const dataset = (job: string) => join(workDir, 'jobs', job, 'dataset');
  const storedFiles = async () => (await readdir(join(workDir, 'datasets'))).sort();

  it('serve a dataset that is submitted again after its job has ended and the worker has restarted', async () => {
    const files = entries(await make({ 'labels.slp': 3 * MiB, 'v/video.mp4': 100 }));
    let store = await DatasetStore.open({ workDir, maxBytes: 1e9 });
    await writeFiles(dataset('job1'), home, files);
    await store.add(dataset('job1'), files);
    await store.removeJob(join(workDir, 'jobs', 'job1'));

    store = await DatasetStore.open({ workDir, maxBytes: 1e9 });
    assert.deepEqual(await store.bring(dataset('job2'), files, signal), []);
    for (const { path } of files) {
      assert.ok((await readFile(join(dataset('job2'), path))).equals(await readFile(join(home, path))));
    }
    assert.equal((await stat(join(dataset('job2'), 'labels.slp'))).mode & 0o222, 0, 'what is shared is read-only');
    const largestFirst = files.toSorted((a, b) => b.size_bytes - a.size_bytes).map(({ sha256 }) => sha256);
    assert.deepEqual(await store.largestFiles(), largestFirst, 'by these a job is offered to this worker first');
  });

  it('stay below their size limit: what was used longest ago is removed', async () => {
    const store = await DatasetStore.open({ workDir, maxBytes: 5 * MiB });
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(async (name) => entries(await make({ [name]: 2 * MiB }))));
    assert.ok(a && b && c);
    await writeFiles(dataset('job1'), home, [...a, ...b, ...c]);
    await store.add(dataset('job1'), a);
    await store.add(dataset('job1'), b);
    assert.deepEqual(await store.bring(dataset('job2'), a, signal), []);
    await store.add(dataset('job1'), c);
    assert.deepEqual(await storedFiles(), [...a, ...c].map(({ sha256 }) => sha256).sort());
    assert.deepEqual(await store.bring(dataset('job3'), b, signal), b);
  });

  it('are still used, and other files are removed first, if the worker died before it could record the end of a job', async () => {
    const files = entries(await make({ 'labels.slp': 3 * MiB }));
    let store = await DatasetStore.open({ workDir, maxBytes: 4 * MiB });
    await writeFiles(dataset('job1'), home, files);
    await store.add(dataset('job1'), files);
    await rm(join(workDir, 'jobs'), { recursive: true });
    await rm(join(workDir, 'file-hashes'));

    store = await DatasetStore.open({ workDir, maxBytes: 4 * MiB });
    assert.deepEqual(await store.bring(dataset('job2'), files, signal), []);
    await writeFile(join(workDir, 'datasets', 'stray'), Buffer.alloc(2 * MiB));
    await store.add(dataset('job2'), files);
    assert.deepEqual(await storedFiles(), [files[0]?.sha256]);
  });

  it('save the researcher from sending the same data twice', async () => {
    const signaling = owned.add(await TestSignaling.start());
    const closeAtEnd = (peer: SignalingClient) => void owned.add({ [Symbol.asyncDispose]: () => peer.close() });
    const worker = await joinRoom(signaling.url, 'worker-1');
    const client = await joinRoom(signaling.url, 'client-1', {
      metadata: { tags: [], properties: { job_id: 'job00001' } },
    });
    for (const peer of [worker, client]) closeAtEnd(peer);

    const files = await make({ 'labels.slp': 4 * MiB + 3, 'video.mp4': MiB });
    let moved = 0;
    owned.add(
      acceptPeers(client, async (connection) => {
        const channel = await connection.acceptChannel();
        const counted = { ...channel, label: channel.label, messages: channel.messages, closed: channel.closed };
        await sendFiles(
          {
            ...counted,
            close: () => channel.close(),
            send: (data, options) => {
              if (typeof data !== 'string') moved += data.byteLength;
              return channel.send(data, options);
            },
          },
          files,
        );
        await connection.closed;
      }),
    );
    const datasets = await DatasetStore.open({ workDir, maxBytes: 1e9 });
    // The bucket is not used, because the dataset must not be staged.
    const bucket = new Bucket(createS3Client({ pathStyle: true, region: 'nowhere' }), 'none');
    const deps = {
      ...{ signaling: worker, worker: 'worker-1', workDir, datasets, bucket },
      publishProgress: () => undefined,
    };
    const receive = createReceiveDataset(deps);
    for (const expected of [true, false]) {
      moved = 0;
      await datasets.removeJob(join(workDir, 'jobs', 'job00001'));
      const input = {
        spec: { job_id: 'job00001', files: entries(files), stage: false },
        context: { user_id: 'user-1' },
      } as Parameters<typeof receive>[0]['input'];
      await activityEnvironment().run(receive, { input });
      assert.equal(moved > 5 * MiB, expected);
      assert.equal(moved === 0, !expected);
      assert.equal((await stat(join(dataset('job00001'), 'labels.slp'))).size, 4 * MiB + 3);
    }
  });
});

async function writeFiles(folder: string, from: string, files: { path: string }[]): Promise<void> {
  for (const { path } of files)
    await writeOld(folder, path, await readFile(join(from, path)).catch(() => randomBytes(1)));
}
