import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { startCognito } from '../../stack/servers/cognito.ts';
import { startDynamoDb } from '../../stack/servers/dynamodb.ts';
import { type S3Server, startS3 } from '../../stack/servers/s3.ts';
import { startTemporal } from '../../stack/servers/temporal.ts';
import { ensureTools } from '../../stack/setup.ts';
import { Bucket, createS3Client } from '../../storage/index.ts';
import type { AwsClients } from '../aws.ts';
import { readSignalingConfig, type SignalingConfig } from '../config.ts';

/** Refuses connections: port 1 needs root, and nothing listens there. */
const NOWHERE = '127.0.0.1:1';

/** A server of the stack, as this file ends it. Servers with data on disk are killed: SeaweedFS may take 10 s to stop. */
interface Endable {
  stop(): Promise<void>;
  kill?(): Promise<void>;
}

type Name = 's3' | 'dynamodb' | 'cognito' | 'temporal';

/** The servers that the tests of a mocha process share. Temporal is not one: its queues have fixed names. */
const SHARED: readonly Name[] = ['s3', 'dynamodb', 'cognito'];
let sharedDir: Promise<string> | undefined;
const shared = new Map<Name, Promise<Endable>>();
let calls = 0;

/** The real servers that a test wants; the others are unavailable. */
export type Wanted = readonly Name[];

/** Real servers for tests, and how to reach them. */
export interface TestServers extends AsyncDisposable {
  config: SignalingConfig;
  /** For a process that reads its environment itself. */
  dynamodbEndpoint: string | undefined;
  /** New clients each time; the caller closes them. */
  aws(): AwsClients;
  /** Ends one server, to test what happens while it is unavailable. Only with `own`. */
  end(server: Name): Promise<void>;
}

/**
 * Starts the wanted servers, or takes those that an earlier test file has started. Buckets and table are new each time.
 * @param options `own` starts all of them for this test alone
 */
export async function startTestServers(wanted: Wanted, options: { own?: boolean } = {}): Promise<TestServers> {
  calls += 1;
  const names = { bucket: `test-rooms-${calls}`, stateBucket: `test-state-${calls}`, table: `rooms-${calls}` };
  const dir = await mkdtemp(join(tmpdir(), 'signaling-test-'));
  const own = new Map<Name, Endable>();
  const start = async <T extends Endable>(name: Name, run: (dir: string) => Promise<T>): Promise<T | undefined> => {
    if (!wanted.includes(name)) return undefined;
    if (options.own !== true && SHARED.includes(name)) return share(name, run);
    const server = await run(dir);
    own.set(name, server);
    return server;
  };
  const { weed, temporal: temporalCommand } = await ensureTools({ parts: ['servers'] });
  const [s3, dynamodb, cognito, temporal] = await Promise.all([
    start('s3', (data) => startS3({ dir: data, weed, buckets: ['ready'] })),
    start('dynamodb', (data) => startDynamoDb({ dir: data })),
    start('cognito', (data) => startCognito({ dir: data, region: 'us-east-1' })),
    start('temporal', (data) => startTemporal({ dir: data, temporal: temporalCommand })),
  ]);
  if (s3 !== undefined) await createBuckets(s3, [names.bucket, names.stateBucket]);

  const config = readSignalingConfig({
    SLEAP_RTC_PORT: '0',
    TEMPORAL_ADDRESS: temporal?.address ?? NOWHERE,
    SLEAP_RTC_TEMPORAL_UI: temporal?.uiUrl ?? '',
    AWS_ENDPOINT_URL_S3: s3?.endpoint ?? `http://${NOWHERE}`,
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb?.endpoint ?? '',
    SLEAP_RTC_BUCKET: names.bucket,
    SLEAP_RTC_STATE_BUCKET: names.stateBucket,
    SLEAP_RTC_ROOMS_TABLE: names.table,
    SLEAP_RTC_COGNITO_USER_POOL_ID: cognito?.userPoolId ?? 'nowhere',
    SLEAP_RTC_COGNITO_CLIENT_ID: cognito?.clientId ?? 'nowhere',
    SLEAP_RTC_COGNITO_ISSUER: cognito?.issuer ?? `http://${NOWHERE}/pool`,
    SLEAP_RTC_STUN_URLS: 'stun:stun.test:3478',
    SLEAP_RTC_TURN_URLS: 'turn:turn.test:3478',
    SLEAP_RTC_TURN_SECRET: 'turn-secret',
  });
  const stop = async () => {
    await Promise.all([...own.values()].map(end));
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
        s3: createS3Client({
          pathStyle: true,
          region: 'us-east-1',
          endpoint: s3?.endpoint ?? `http://${NOWHERE}`,
          credentials,
          connectTimeoutMs: 1000,
          maxAttempts: 2,
        }),
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
    async end(name) {
      const server = own.get(name);
      if (server === undefined) throw new Error(`${name} is not this test's own`);
      await end(server);
      own.delete(name);
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** The server of this process that other test files use too. */
async function share<T extends Endable>(name: Name, run: (dir: string) => Promise<T>): Promise<T> {
  sharedDir ??= mkdtemp(join(tmpdir(), 'signaling-test-'));
  const started = shared.get(name) ?? sharedDir.then(run);
  shared.set(name, started);
  return (await started) as T;
}

function end(server: Endable): Promise<void> {
  return server.kill?.() ?? server.stop();
}

async function createBuckets({ endpoint, region, ...keys }: S3Server, names: readonly string[]): Promise<void> {
  const credentials = { accessKeyId: keys.accessKeyId, secretAccessKey: keys.secretAccessKey };
  const s3 = createS3Client({ pathStyle: true, endpoint, region, credentials });
  for (const name of names) await new Bucket(s3, name).create();
  s3.destroy();
}

// A root hook: it runs once, after the last test of the process.
after(async () => {
  await Promise.all([...shared.values()].map(async (server) => end(await server)));
  if (sharedDir !== undefined) await rm(await sharedDir, { recursive: true, force: true });
});
