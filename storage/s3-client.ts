import { S3Client } from '@aws-sdk/client-s3';

/** Longest that making a connection to S3 may take, in milliseconds. */
const CONNECT_MS = 5_000;
/**
 * Longest silence of S3 amid a request, in milliseconds; it is tried again then. S3 answers within seconds, and while bytes flow it
 * is not silent. Without a limit a connection that the network has lost would hold its job for ever, heartbeats and all.
 */
const SILENCE_MS = 30_000;

/**
 * Makes the S3 client of a worker; endpoint, region and credentials come from the `AWS_*` environment.
 * @param options.pathStyle buckets are in the path of URLs, not in their host
 * @param options.silenceMs longest silence amid a request; default: 30 s
 */
export function createS3Client({
  pathStyle,
  silenceMs = SILENCE_MS,
}: {
  pathStyle: boolean;
  silenceMs?: number;
}): S3Client {
  const requestHandler = { connectionTimeout: CONNECT_MS, socketTimeout: silenceMs };
  return new S3Client({ forcePathStyle: pathStyle, requestHandler });
}
