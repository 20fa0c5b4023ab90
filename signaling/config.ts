import { z } from 'zod';
import { SleapRtcError } from '../protocol/errors.ts';
import { LogLevel } from '../protocol/log-level.ts';
import { MAX_TRACKED_JOBS } from '../protocol/wire/signaling.ts';
import type { IceConfig } from './ice/ice-servers.ts';

/** The configuration of the signaling server. AWS's SDK reads its endpoints and keys itself (`AWS_*`). */
export interface SignalingConfig {
  host: string;
  /** 0: the system chooses a free one. */
  port: number;
  region: string;
  temporal: {
    address: string;
    namespace: string /** Base URL of the Temporal UI, without trailing slash. */;
    uiUrl: string | null;
  };
  /** Bucket of the rooms' manifests, models and records. */
  bucket: string;
  /** State bucket. If null, the state is in memory only. */
  stateBucket: string | null;
  /** True if S3 has no virtual-host names, as a local server. */
  s3PathStyle: boolean;
  rooms: { table: string /** Create the table if it is missing. */; createTable: boolean };
  cognito: { userPoolId: string; clientId: string; issuer: string };
  ice: IceConfig;
  limits: {
    /** Accepted anonymous sign-ins from one address in a minute. */
    signInsPerMinute: number;
    /** Rooms that one address may make in a minute. */
    roomsPerMinute: number;
    /** Rooms that one address may make in a day. */
    roomsPerDay: number;
    /** Jobs that one user, and one address, may submit in a minute. */
    jobsPerMinute: number;
    /** Jobs of one user in one room that have not ended. */
    jobsPerUser: number;
    /** Jobs of one room that have not ended. */
    jobsPerRoom: number;
    /** Data of one job, in GB. */
    jobGb: number;
    /** Sockets of this server. */
    sockets: number;
    /** Sockets from one address. */
    socketsPerAddress: number;
    /** Bytes that wait for all slow readers together. */
    sendBufferBytes: number;
    /** Number of proxies in front whose `X-Forwarded-For` is trusted. */
    trustedProxies: number;
  };
}

const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );
const flag = z
  .enum(['true', 'false', '1', '0', ''])
  .default('')
  .transform((text) => text === 'true' || text === '1');
const atLeastOne = z.coerce.number().int().min(1);
const url = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/+$/, ''));

const Environment = z.object({
  SLEAP_RTC_HOST: z.string().min(1).default('127.0.0.1'),
  SLEAP_RTC_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  SLEAP_RTC_LOG_LEVEL: LogLevel,
  AWS_REGION: z.string().min(1).default('us-east-1'),
  AWS_ENDPOINT_URL_S3: z.string().optional(),
  AWS_ENDPOINT_URL_DYNAMODB: z.string().optional(),
  TEMPORAL_ADDRESS: z.string().min(1).default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  SLEAP_RTC_TEMPORAL_UI: url.optional(),
  SLEAP_RTC_BUCKET: z.string().min(1).default('sleap-rtc-rooms'),
  SLEAP_RTC_STATE_BUCKET: z.string().min(1).optional(),
  SLEAP_RTC_ROOMS_TABLE: z.string().min(1).default('rooms'),
  SLEAP_RTC_CREATE_TABLES: flag,
  SLEAP_RTC_COGNITO_USER_POOL_ID: z.string().min(1),
  SLEAP_RTC_COGNITO_CLIENT_ID: z.string().min(1),
  SLEAP_RTC_COGNITO_ISSUER: url.optional(),
  SLEAP_RTC_STUN_URLS: list,
  SLEAP_RTC_TURN_URLS: list,
  SLEAP_RTC_TURN_SECRET: z.string().min(1).optional(),
  SLEAP_RTC_SIGN_INS_PER_MINUTE: atLeastOne.default(120),
  SLEAP_RTC_ROOMS_PER_MINUTE: atLeastOne.default(60),
  SLEAP_RTC_ROOMS_PER_DAY: atLeastOne.default(500),
  SLEAP_RTC_JOBS_PER_MINUTE: atLeastOne.default(120),
  SLEAP_RTC_JOBS_PER_USER: atLeastOne.default(300),
  SLEAP_RTC_JOBS_PER_ROOM: atLeastOne.max(MAX_TRACKED_JOBS).default(MAX_TRACKED_JOBS),
  SLEAP_RTC_JOB_GB: z.coerce.number().positive().default(1000),
  SLEAP_RTC_SOCKETS: atLeastOne.default(5000),
  SLEAP_RTC_SOCKETS_PER_ADDRESS: atLeastOne.default(500),
  SLEAP_RTC_SEND_BUFFER_MB: atLeastOne.default(64),
  SLEAP_RTC_TRUSTED_PROXIES: z.coerce.number().int().min(0).max(8).default(0),
});

/**
 * Reads the configuration from environment variables. An empty variable counts as unset.
 * @throws SleapRtcError USAGE if a variable is missing or wrong; the message names it
 */
export function readSignalingConfig(env: Record<string, string | undefined>): SignalingConfig {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = Environment.safeParse(given);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new SleapRtcError('USAGE', `${issue?.path.join('.') ?? 'environment'}: ${issue?.message ?? 'invalid'}`, {
      remedy: 'Set it in the server’s environment; docs/admins.md lists every variable.',
    });
  }
  const e = parsed.data;
  if (e.SLEAP_RTC_TURN_URLS.length > 0 && e.SLEAP_RTC_TURN_SECRET === undefined) {
    throw new SleapRtcError('USAGE', 'SLEAP_RTC_TURN_URLS needs SLEAP_RTC_TURN_SECRET.');
  }
  return {
    host: e.SLEAP_RTC_HOST,
    port: e.SLEAP_RTC_PORT,
    region: e.AWS_REGION,
    temporal: {
      address: e.TEMPORAL_ADDRESS,
      namespace: e.TEMPORAL_NAMESPACE,
      uiUrl: e.SLEAP_RTC_TEMPORAL_UI ?? null,
    },
    bucket: e.SLEAP_RTC_BUCKET,
    stateBucket: e.SLEAP_RTC_STATE_BUCKET ?? null,
    s3PathStyle: e.AWS_ENDPOINT_URL_S3 !== undefined,
    rooms: {
      table: e.SLEAP_RTC_ROOMS_TABLE,
      createTable: e.SLEAP_RTC_CREATE_TABLES || isLocal(e.AWS_ENDPOINT_URL_DYNAMODB),
    },
    cognito: {
      userPoolId: e.SLEAP_RTC_COGNITO_USER_POOL_ID,
      clientId: e.SLEAP_RTC_COGNITO_CLIENT_ID,
      issuer:
        e.SLEAP_RTC_COGNITO_ISSUER ??
        `https://cognito-idp.${e.AWS_REGION}.amazonaws.com/${e.SLEAP_RTC_COGNITO_USER_POOL_ID}`,
    },
    ice: {
      stunUrls: e.SLEAP_RTC_STUN_URLS,
      turnUrls: e.SLEAP_RTC_TURN_URLS,
      turnSecret: e.SLEAP_RTC_TURN_SECRET ?? null,
    },
    limits: {
      signInsPerMinute: e.SLEAP_RTC_SIGN_INS_PER_MINUTE,
      roomsPerMinute: e.SLEAP_RTC_ROOMS_PER_MINUTE,
      roomsPerDay: e.SLEAP_RTC_ROOMS_PER_DAY,
      jobsPerMinute: e.SLEAP_RTC_JOBS_PER_MINUTE,
      jobsPerUser: e.SLEAP_RTC_JOBS_PER_USER,
      jobsPerRoom: e.SLEAP_RTC_JOBS_PER_ROOM,
      jobGb: e.SLEAP_RTC_JOB_GB,
      sockets: e.SLEAP_RTC_SOCKETS,
      socketsPerAddress: e.SLEAP_RTC_SOCKETS_PER_ADDRESS,
      sendBufferBytes: e.SLEAP_RTC_SEND_BUFFER_MB * 1024 * 1024,
      trustedProxies: e.SLEAP_RTC_TRUSTED_PROXIES,
    },
  };
}

/** A stand-in on this machine has no table yet, and no tables of others that need protection. */
function isLocal(endpoint: string | undefined): boolean {
  if (endpoint === undefined || !URL.canParse(endpoint)) return false;
  return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(endpoint).hostname);
}
