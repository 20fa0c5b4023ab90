import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkerProgress } from '../../protocol/jobs/job-view.ts';
import { Bucket, createS3Client } from '../../storage/index.ts';
import {
  acceptTransfers,
  describeFiles,
  type SignalingClient,
  type SourceFile,
  sendFiles,
} from '../../transport/index.ts';
import { identityOf, join as joinRoom } from '../../transport/testing/join.ts';
import { Owned } from '../../transport/testing/owned.ts';
import { temporaryFolder } from '../../transport/testing/temporary-folder.ts';
import { TestSignaling } from '../../transport/testing/test-signaling.ts';
import { writeOld } from '../../transport/testing/transfer.ts';
import { activityEnvironment } from '../testing/activity-environment.ts';
import { DatasetStore } from './dataset-store.ts';
import { createReceiveDataset } from './receive-dataset.ts';
import { createReturnResults } from './return-results.ts';

const JOB = 'job00001';
const WRONG_KEY = Buffer.alloc(32, 'another key').toString('base64url');

/** How a peer that claims to be the researcher behaves. */
interface Claim {
  user: string;
  key?: string;
  /** The files that it sends; undefined if it does not answer. */
  serves?: SourceFile[] | undefined;
}

describe('a worker that looks for the researcher of a job', function () {
  this.timeout(60_000);

  const owned = new Owned();
  let signaling: TestSignaling;
  let worker: SignalingClient;
  let files: SourceFile[];
  let workDir: string;
  let input: Parameters<ReturnType<typeof createReceiveDataset>>[0]['input'];
  let details: WorkerProgress[];

  beforeEach(async () => {
    signaling = owned.add(await TestSignaling.start());
    worker = await joined('worker-1', { user: 'lab', serves: undefined }, {});
    workDir = owned.add(await temporaryFolder()).path;
    files = await make(200_000);
    details = [];
    input = {
      spec: { job_id: JOB, kind: 'inference', files: files.map(({ entry }) => entry), stage: false },
      context: { user_id: 'alice' },
    } as typeof input;
  });
  afterEach(owned.end);

  async function make(size: number): Promise<SourceFile[]> {
    const home = owned.add(await temporaryFolder()).path;
    return describeFiles([{ path: 'clip.mp4', absolutePath: await writeOld(home, 'clip.mp4', size) }]);
  }

  async function joined(name: string, { user, key }: Claim, properties: object): Promise<SignalingClient> {
    const peer = await joinRoom(signaling.url, name, {
      identity: identityOf(`id-of-${user}`),
      metadata: { tags: [], properties: { ...properties } },
      ...(key === undefined ? {} : { roomKey: key }),
    });
    owned.add({ [Symbol.asyncDispose]: () => peer.close() });
    return peer;
  }

  /** Joins as a client that names the job. @returns how many transfers it has begun */
  async function claim(name: string, who: Claim): Promise<{ served: number }> {
    const seen = { served: 0 };
    const peer = await joined(name, who, { job_id: JOB });
    const { serves } = who;
    if (serves === undefined) return seen;
    const accepting = acceptTransfers(peer, async (channel) => {
      seen.served += 1;
      await sendFiles(channel, serves);
    });
    owned.add(accepting);
    return seen;
  }

  async function deps() {
    return {
      ...{ signaling: worker, worker: 'worker-1', workDir },
      datasets: await DatasetStore.open({ workDir, maxBytes: 1e9 }),
      // Not used, because the dataset must not be staged.
      bucket: new Bucket(createS3Client({ pathStyle: true, region: 'nowhere' }), 'none'),
      publishProgress: (progress: WorkerProgress) => void details.push(progress),
    };
  }

  async function receive(): Promise<string[]> {
    await activityEnvironment().run(createReceiveDataset(await deps()), { input });
    return readdir(join(workDir, 'jobs', JOB, 'dataset'));
  }

  const strangers: [string, Claim][] = [
    ['answers with another key', { user: 'mallory', key: WRONG_KEY, serves: [] }],
    ['does not answer', { user: 'mallory' }],
  ];
  for (const [what, stranger] of strangers) {
    it(`gets the data from the researcher, although a stranger who claims the job ${what}`, async () => {
      await claim('client-0', stranger);
      const researcher = await claim('client-1', { user: 'alice', serves: files });
      await claim('client-2', stranger);
      assert.deepEqual(await receive(), ['clip.mp4']);
      assert.equal(researcher.served, 1);
    });
  }

  it('waits, and does not fail, if only a stranger claims the job', async () => {
    await claim('client-2', { user: 'mallory', key: WRONG_KEY, serves: [] });
    const receiving = receive();
    while (!details.some(({ detail }) => detail?.includes('waiting for the researcher'))) {
      await Promise.race([receiving, new Promise((resolve) => setTimeout(resolve, 50))]);
    }
    await claim('client-1', { user: 'alice', serves: files });
    assert.deepEqual(await receiving, ['clip.mp4']);
  });

  it('tries the researcher’s other terminals, and members who have the data, before it fails', async () => {
    const member = await claim('client-1', { user: 'bob', serves: files });
    const changed = await claim('client-2', { user: 'alice', serves: await make(100_000) });
    assert.deepEqual(await receive(), ['clip.mp4']);
    assert.deepEqual([changed.served, member.served], [1, 1]);
  });

  it('fails if the researcher’s own computer has another key: only a person can help', async () => {
    await claim('client-0', { user: 'mallory', key: WRONG_KEY, serves: [] });
    await claim('client-1', { user: 'alice', key: WRONG_KEY, serves: files });
    await assert.rejects(receive(), { code: 'PEER_NOT_PROVEN' });
  });

  it('keeps the results for later if only strangers claim the job', async () => {
    await claim('client-1', { user: 'mallory', key: WRONG_KEY, serves: [] });
    await writeOld(workDir, `jobs/${JOB}/results/clip.predictions.slp`, 1000);
    const returned = await activityEnvironment().run(createReturnResults(await deps()), { input, model_ids: [] });
    assert.deepEqual(returned, { delivered: false });
  });
});
