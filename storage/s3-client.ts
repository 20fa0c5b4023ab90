import { S3Client } from '@aws-sdk/client-s3';

export type { S3Client } from '@aws-sdk/client-s3';

/** How to reach S3. Settings that are left out come from the `AWS_*` environment. */
export interface S3ClientOptions {
  /** True if buckets are in the path of URLs, and not in their host name. */
  pathStyle: boolean;
  region?: string;
  endpoint?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string };
  /** Longest time that a connection may take, in milliseconds. Default: 5 s. A server whose users wait gives less. */
  connectTimeoutMs?: number;
  /**
   * Longest silence within a request, in milliseconds; the client then tries again. Default: 30 s. S3 answers within seconds, and
   * is not silent while bytes flow. Without this limit a connection that the network has lost would block its job forever.
   */
  silenceTimeoutMs?: number;
  /** Longest time until the answer begins, in milliseconds. Default: no limit, since a large upload is answered at its end. */
  requestTimeoutMs?: number;
  /** How often a request is sent, the first time included. Default: the SDK's 3. */
  maxAttempts?: number;
}

const CONNECT_TIMEOUT_MS = 5_000;
const SILENCE_TIMEOUT_MS = 30_000;

/** Makes an S3 client; nothing is sent yet. */
export function createS3Client(options: S3ClientOptions): S3Client {
  const { pathStyle, region, endpoint, credentials, requestTimeoutMs, maxAttempts } = options;
  return new S3Client({
    forcePathStyle: pathStyle,
    requestHandler: {
      connectionTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      socketTimeout: options.silenceTimeoutMs ?? SILENCE_TIMEOUT_MS,
      // Without `throwOnRequestTimeout` the SDK only logs a warning.
      ...(requestTimeoutMs === undefined ? {} : { requestTimeout: requestTimeoutMs, throwOnRequestTimeout: true }),
    },
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials: { ...credentials } }), // the SDK adds to it
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
  });
}
