import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import type { SignalingConfig } from './config.ts';

/** A request waits behind these calls, so a service that is away must be noticed in seconds, not minutes. */
const bounded = {
  maxAttempts: 2,
  // The SDK only warns of a late answer where it is not told to throw.
  requestHandler: { connectionTimeout: 1000, requestTimeout: 5000, throwOnRequestTimeout: true },
};

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
  const common = { region: config.region, ...bounded };
  const s3 = new S3Client({ ...common, forcePathStyle: config.s3PathStyle });
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
