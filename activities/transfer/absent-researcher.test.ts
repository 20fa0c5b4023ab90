import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bucket } from '../../storage/index.ts';
import { trainingInput } from '../../test/workflows/job-inputs.ts';
import type { SignalingClient } from '../../transport/index.ts';
import type { ReceiveDatasetInput } from '../contract.ts';
import { activityEnvironment } from '../testing/activity-environment.ts';
import { DatasetStore } from './dataset-store.ts';
import { createReceiveDataset } from './receive-dataset.ts';

describe('a worker whose researcher is offline', () => {
  it('gives the job back after a while: another job gets the GPU', async () => {
    const workDir = await mkdtemp(join(tmpdir(), 'sleap-rtc-absent-'));
    const details: (string | undefined)[] = [];
    const signaling = { discoverPeers: async () => [], on: () => () => {} } as unknown as SignalingClient;
    try {
      const receiveDataset = createReceiveDataset({
        signaling,
        bucket: {} as Bucket,
        worker: 'gpu-1',
        workDir,
        datasets: await DatasetStore.open({ workDir, maxBytes: 1e9 }),
        dataTimeoutMs: 50,
        publishProgress: ({ detail }) => details.push(detail),
      });
      const input = trainingInput({ spec: { stage: false } });
      const receiving = activityEnvironment('receiveDataset').run((a: ReceiveDatasetInput) => receiveDataset(a), {
        input,
      });
      await assert.rejects(receiving, { code: 'RESEARCHER_AWAY' });
      assert.ok(details.includes('waiting for the researcher’s computer'));
    } finally {
      await rm(workDir, { recursive: true, force: true });
    }
  });
});
