import { Bucket, createS3Client } from '../../storage/index.ts';

/** A bucket of a test's S3 server, with a client of its own. */
export function bucketOf(
  server: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string },
  name: string,
): Bucket {
  const { endpoint, region, accessKeyId, secretAccessKey } = server;
  const s3 = createS3Client({ pathStyle: true, endpoint, region, credentials: { accessKeyId, secretAccessKey } });
  return new Bucket(s3, name);
}

/** The text of an object; empty if there is none. */
export async function textIn(bucket: Bucket, key: string): Promise<string> {
  return (await (await bucket.get(key))?.text()) ?? '';
}

/** The keys that begin with a prefix, sorted. */
export async function keysIn(bucket: Bucket, prefix: string): Promise<string[]> {
  return (await bucket.list(prefix)).map(({ key }) => key).sort();
}
