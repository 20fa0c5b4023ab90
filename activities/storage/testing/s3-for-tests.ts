import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { ensureTools } from '../../../stack/index.ts';
import { startS3 } from '../../../stack/servers/s3.ts';

/** A bucket on a real S3 server of a test's own. */
export async function s3ForTests() {
  const { weed } = await ensureTools({ parts: ['servers'] });
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-s3-'));
  const bucket = 'test-rooms';
  const server = await startS3({ dir, weed, buckets: [bucket] });
  const { endpoint, region, accessKeyId, secretAccessKey } = server;
  const s3 = new S3Client({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true });
  const stop = async () => {
    s3.destroy();
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  };
  return { s3, bucket, stop };
}
