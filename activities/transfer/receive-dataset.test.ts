import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileEntry } from '../../protocol/files.ts';
import type { Bucket } from '../../storage/index.ts';
import type { SignalingClient } from '../../transport/index.ts';
import { activityEnvironment } from '../testing/activity-environment.ts';
import { DatasetStore } from './dataset-store.ts';
import { createReceiveDataset } from './receive-dataset.ts';

const HOSTILE = join(import.meta.dirname, '../../labels/testing/hdf5');

/** A store that has the file already, so that no researcher is needed. */
function storeWith(store: DatasetStore, from: string): DatasetStore {
  const bring = async (folder: string, files: readonly FileEntry[]) => {
    for (const { path } of files) await copyFile(from, join(folder, path));
    return [];
  };
  return Object.assign(store, { bring });
}

describe('receiving a dataset', function () {
  this.timeout(30_000);
  let workDir: string;

  beforeEach(async () => {
    workDir = await mkdtemp(join(tmpdir(), 'sleap-rtc-receive-'));
  });
  afterEach(() => rm(workDir, { recursive: true, force: true }));

  for (const file of ['storage-deep.old.slp', 'link.new.slp', 'virtual.old.slp']) {
    it(`refuses ${file} before sleap-nn could read another file of the worker, under whatever name it came`, async () => {
      const store = await DatasetStore.open({ workDir, maxBytes: 2 ** 20 });
      const receive = createReceiveDataset({
        signaling: { discoverPeers: async () => [] } as unknown as SignalingClient,
        bucket: undefined as unknown as Bucket,
        worker: 'gpu-1',
        workDir,
        datasets: storeWith(store, join(HOSTILE, file)),
        publishProgress: () => undefined,
      });
      const spec = {
        kind: 'inference' as const,
        job_id: 'abcdefgh',
        name: 'clip.h5',
        files: [{ path: 'clip.h5', size_bytes: 1, sha256: 'a'.repeat(64) }],
        requirements: {},
        stage: true,
        models: ['0123abcd'],
        input: 'clip.h5',
        tracking: false,
      };
      const context = { room_id: 'lab-flies', user_id: 'her', submitted_at: new Date().toISOString() };
      const received = activityEnvironment().run(receive as never, { input: { spec, context } });
      await assert.rejects(received as Promise<void>, {
        code: 'REFERS_OUTSIDE',
        message: /^clip\.h5 refers/,
        retryable: false,
      });
      assert.deepEqual(await readdir(join(workDir, 'datasets')), [], 'the store does not keep it');
    });
  }
});
