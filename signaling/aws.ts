import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createS3Client, type S3Client } from '../storage/index.ts';
import type { SignalingConfig } from './config.ts';

/** A user waits for these requests, so a service that does not answer must be noticed in seconds, not minutes. */
const MAX_ATTEMPTS = 2;
const CONNECT_TIMEOUT_MS = 1_000;
const REQUEST_TIMEOUT_MS = 5_000;

/** The server's AWS clients; endpoints and credentials come from the `AWS_*` environment. */
export interface AwsClients {
  s3: S3Client;
  dynamo: DynamoDBClient;
  cognito: CognitoIdentityProviderClient;
  /** Closes their sockets. */
  destroy(): void;
}

/** Makes the clients. Nothing is sent yet. */
export function createAwsClients(config: Pick<SignalingConfig, 'region' | 's3PathStyle'>): AwsClients {
  const s3 = createS3Client({
    region: config.region,
    pathStyle: config.s3PathStyle,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    maxAttempts: MAX_ATTEMPTS,
  });
  const common = {
    region: config.region,
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      // Without this the SDK only logs a warning.
      throwOnRequestTimeout: true,
    },
  };
  const dynamo = new DynamoDBClient(common);
  const cognito = new CognitoIdentityProviderClient(common);
  return {
    s3,
    dynamo,
    cognito,
    destroy() {
      for (const client of [s3, dynamo, cognito]) client.destroy();
    },
  };
}
