import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureTools } from '../../stack/index.ts';
import { type S3Server, startS3 } from '../../stack/servers/s3.ts';
import type { Bucket } from '../../storage/index.ts';
import { bucketOf } from '../support/bucket.ts';

/** A real S3 server with an empty bucket. */
export interface TestS3 {
  bucket: Bucket;
  endpoint: string;
  /** The bucket as seen through another endpoint, such as a proxy. The caller closes its client. */
  bucketAt(endpoint: string): Bucket;
  /** Environment variables with which one of our processes uses the server. */
  env: Record<string, string>;
  stop(): Promise<void>;
}

interface SharedServer {
  server: S3Server;
  dir: string;
  /** The number of buckets made so far. */
  buckets: number;
}

let shared: Promise<SharedServer> | undefined;

/** A bucket of its own on the server that all tests of a mocha process share. */
export async function startTestS3(): Promise<TestS3> {
  shared ??= start();
  const running = await shared;
  const { endpoint, region, accessKeyId, secretAccessKey } = running.server;
  running.buckets += 1;
  const name = `rooms-under-test-${running.buckets}`;
  const bucketAt = (endpoint: string) => bucketOf({ ...running.server, endpoint }, name);
  const bucket = bucketAt(endpoint);
  await bucket.create();
  return {
    bucket,
    endpoint,
    bucketAt,
    env: {
      SLEAP_RTC_BUCKET: name,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    },
    async stop() {
      bucket.s3.destroy();
    },
  };
}

async function start(): Promise<SharedServer> {
  const { weed } = await ensureTools({ parts: ['servers'] });
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-test-s3-'));
  // A bucket must answer before the server counts as healthy.
  return { server: await startS3({ dir, weed, buckets: ['ready'] }), dir, buckets: 0 };
}

// A root hook: it runs once, after the last test of the process.
after(async () => {
  if (shared === undefined) return;
  const { server, dir } = await shared;
  await server.kill(); // its data is not needed, and an orderly shutdown may take 10 s
  await rm(dir, { recursive: true, force: true });
});
