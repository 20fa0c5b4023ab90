import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { startCognito } from '../../stack/servers/cognito.ts';
import { startDynamoDb } from '../../stack/servers/dynamodb.ts';
import { startS3 } from '../../stack/servers/s3.ts';
import { startTemporal } from '../../stack/servers/temporal.ts';
import { ensureTools } from '../../stack/setup.ts';
import type { AwsClients } from '../aws.ts';
import { readConfig, type SignalingConfig } from '../config.ts';

const BUCKET = 'test-rooms';
const STATE_BUCKET = 'test-state';
/** Refuses connections: port 1 needs root, and nothing listens there. */
const NOWHERE = '127.0.0.1:1';

/** The real servers that a test wants; those left out are away. */
export type Wanted = readonly ('s3' | 'dynamodb' | 'cognito' | 'temporal')[];

/** Real servers for tests, and how to reach them. */
export interface TestServers extends AsyncDisposable {
  config: SignalingConfig;
  /** For a process that reads its environment itself. */
  dynamodbEndpoint: string | undefined;
  /** New clients each time; whoever asks ends them. */
  aws(): AwsClients;
  /** Ends one server, to test what happens while it is away. */
  end(server: Wanted[number]): Promise<void>;
}

/** Starts the wanted servers in a folder of their own, which goes away with them. */
export async function startTestServers(wanted: Wanted): Promise<TestServers> {
  const dir = await mkdtemp(join(tmpdir(), 'signaling-test-'));
  /** Ends each. Servers with data on disk are killed: nobody needs the data, and SeaweedFS may take 10 s to end by itself. */
  const running = new Map<string, () => Promise<void>>();
  const start = async <T extends { stop(): Promise<void>; kill?(): Promise<void> }>(
    name: Wanted[number],
    run: () => Promise<T>,
  ) => {
    if (!wanted.includes(name)) return undefined;
    const server = await run();
    running.set(name, () => server.kill?.() ?? server.stop());
    return server;
  };
  const { weed, temporal: temporalCommand } = await ensureTools({ parts: ['servers'] });
  const [s3, dynamodb, cognito, temporal] = await Promise.all([
    start('s3', () => startS3({ dir, weed, buckets: [BUCKET, STATE_BUCKET] })),
    start('dynamodb', () => startDynamoDb({ dir })),
    start('cognito', () => startCognito({ dir, region: 'us-east-1' })),
    start('temporal', () => startTemporal({ dir, temporal: temporalCommand })),
  ]);

  const config = readConfig({
    SLEAP_RTC_PORT: '0',
    TEMPORAL_ADDRESS: temporal?.address ?? NOWHERE,
    SLEAP_RTC_TEMPORAL_UI: temporal?.uiUrl ?? '',
    AWS_ENDPOINT_URL_S3: s3?.endpoint ?? `http://${NOWHERE}`,
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb?.endpoint ?? '',
    SLEAP_RTC_BUCKET: BUCKET,
    SLEAP_RTC_STATE_BUCKET: STATE_BUCKET,
    SLEAP_RTC_COGNITO_USER_POOL_ID: cognito?.userPoolId ?? 'nowhere',
    SLEAP_RTC_COGNITO_CLIENT_ID: cognito?.clientId ?? 'nowhere',
    SLEAP_RTC_COGNITO_ISSUER: cognito?.issuer ?? `http://${NOWHERE}/pool`,
    SLEAP_RTC_STUN_URLS: 'stun:stun.test:3478',
    SLEAP_RTC_TURN_URLS: 'turn:turn.test:3478',
    SLEAP_RTC_TURN_SECRET: 'turn-secret',
  });
  const stop = async () => {
    await Promise.all([...running.values()].map((end) => end()));
    await rm(dir, { recursive: true, force: true });
  };
  return {
    config,
    dynamodbEndpoint: dynamodb?.endpoint,
    aws() {
      const common = { region: 'us-east-1', maxAttempts: 2, requestHandler: { connectionTimeout: 1000 } };
      const credentials = {
        accessKeyId: s3?.accessKeyId ?? 'none',
        secretAccessKey: s3?.secretAccessKey ?? 'none',
      };
      const at = (endpoint: string | undefined) => ({
        ...common,
        credentials: { ...credentials },
        endpoint: endpoint ?? `http://${NOWHERE}`,
      });
      const clients = {
        s3: new S3Client({ ...at(s3?.endpoint), forcePathStyle: true }),
        dynamo: new DynamoDBClient(at(dynamodb?.endpoint)),
        cognito: new CognitoIdentityProviderClient(at(cognito?.endpoint)),
      };
      return {
        ...clients,
        destroy() {
          for (const client of Object.values(clients)) client.destroy();
        },
      };
    },
    async end(server) {
      await running.get(server)?.();
      running.delete(server);
    },
    [Symbol.asyncDispose]: stop,
  };
}
