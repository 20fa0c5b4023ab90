import type { CognitoServer } from './servers/cognito.ts';
import type { DynamoDbServer } from './servers/dynamodb.ts';
import type { S3Server } from './servers/s3.ts';
import type { TemporalServer } from './servers/temporal.ts';
import type { TurnServer } from './servers/turn.ts';

/** Bucket of the rooms' manifests and models. */
export const ROOMS_BUCKET = 'sleap-rtc-rooms';

/** Bucket of the signaling server's own state. */
export const STATE_BUCKET = 'sleap-rtc-state';

/** The servers of a stack that our programs use. */
export interface StackServers {
  temporal: TemporalServer;
  s3: S3Server;
  dynamodb: DynamoDbServer;
  cognito: CognitoServer;
  /** Undefined if the machine has no coturn. */
  turn: TurnServer | undefined;
}

/** Settings of every program of ours. The AWS SDK and Temporal's client read their own variables themselves. */
function commonSettings({ temporal, s3 }: StackServers): Record<string, string> {
  return {
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    SLEAP_RTC_TEMPORAL_UI: temporal.uiUrl,
    SLEAP_RTC_BUCKET: ROOMS_BUCKET,
    AWS_REGION: s3.region,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    // The user's own settings for AWS would be mixed in, and a profile would even override these keys.
    AWS_SESSION_TOKEN: '',
    AWS_PROFILE: '',
    AWS_ENDPOINT_URL: '',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}

/** Environment of `signaling/main.ts`. */
export function signalingSettings(servers: StackServers, port: number): Record<string, string> {
  const { dynamodb, cognito, turn } = servers;
  return {
    ...commonSettings(servers),
    SLEAP_RTC_HOST: '127.0.0.1',
    SLEAP_RTC_PORT: String(port),
    SLEAP_RTC_STATE_BUCKET: STATE_BUCKET,
    SLEAP_RTC_ROOMS_TABLE: 'rooms',
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint,
    AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER: cognito.endpoint,
    SLEAP_RTC_COGNITO_USER_POOL_ID: cognito.userPoolId,
    SLEAP_RTC_COGNITO_CLIENT_ID: cognito.clientId,
    SLEAP_RTC_COGNITO_ISSUER: cognito.issuer,
    ...(turn
      ? { SLEAP_RTC_STUN_URLS: turn.stunUrl, SLEAP_RTC_TURN_URLS: turn.url, SLEAP_RTC_TURN_SECRET: turn.secret }
      : {}),
  };
}

/** Environment of `workers/control/main.ts`, which runs the workflows and the activities that need no GPU. */
export function controlWorkerSettings(servers: StackServers): Record<string, string> {
  return commonSettings(servers);
}

/** A GPU worker to start. */
export interface GpuWorkerOptions {
  room: string;
  /** The room's token. */
  token: string;
  /** The room's key. */
  key: string;
  /** Unique in the room. */
  name: string;
  /** Further settings, for example `SLEAP_RTC_WORKER_TAGS`. */
  env?: Readonly<Record<string, string>>;
}

/** Environment of `workers/gpu/main.ts`. */
export function gpuWorkerSettings(
  servers: StackServers,
  worker: GpuWorkerOptions,
  places: { serverUrl: string; workDir: string; python: string },
): Record<string, string> {
  return {
    ...commonSettings(servers),
    SLEAP_RTC_SERVER: places.serverUrl,
    SLEAP_RTC_ROOM: worker.room,
    SLEAP_RTC_TOKEN: worker.token,
    SLEAP_RTC_ROOM_KEY: worker.key,
    SLEAP_RTC_WORKER_NAME: worker.name,
    SLEAP_RTC_WORKER_DIR: places.workDir,
    SLEAP_RTC_SLEAP_NN_PYTHON: places.python,
    ...worker.env,
  };
}
