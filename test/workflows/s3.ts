import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { ensureTools } from '../../stack/index.ts';
import { startS3 } from '../../stack/servers/s3.ts';

/** A real S3 server with an empty bucket. */
export interface TestS3 {
  s3: S3Client;
  bucket: string;
  /** Settings for a process of ours. */
  env: Record<string, string>;
  stop(): Promise<void>;
}

export async function startTestS3(): Promise<TestS3> {
  const { weed } = await ensureTools({ parts: ['servers'] });
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-test-'));
  const bucket = 'rooms-under-test';
  const server = await startS3({ dir, weed, buckets: [bucket] });
  const { endpoint, region, accessKeyId, secretAccessKey } = server;
  const s3 = new S3Client({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true });
  return {
    s3,
    bucket,
    env: {
      SLEAP_RTC_BUCKET: bucket,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    },
    async stop() {
      s3.destroy();
      await server.kill(); // nobody needs its data, and it may take 10 s to end by itself
      await rm(dir, { recursive: true, force: true });
    },
  };
}
