import { hostname } from 'node:os';
import { z } from 'zod';
import { SandboxMode } from '../../activities/sandbox/index.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import { PeerId, RoomId, Tag } from '../../protocol/ids.ts';
import { LogLevel } from '../../protocol/log-level.ts';
import { RoomKey } from '../../protocol/room-key.ts';
import {
  type IceTransportPolicy,
  readIceTransportPolicy,
  readWebRtcChoice,
  type WebRtcChoice,
} from '../../transport/index.ts';

const Environment = z.object({
  SLEAP_RTC_SERVER: z.url(),
  SLEAP_RTC_ROOM: RoomId,
  SLEAP_RTC_TOKEN: z.string().min(1),
  SLEAP_RTC_ROOM_KEY: RoomKey,
  SLEAP_RTC_WORKER_NAME: PeerId.default(() => PeerId.parse(`worker-${hostname()}`.slice(0, 63))),
  SLEAP_RTC_WORKER_DIR: z.string().min(1),
  SLEAP_RTC_WORKER_TAGS: z
    .string()
    .default('')
    .transform((list) => list.split(',').filter((tag) => tag !== ''))
    .pipe(z.array(Tag).max(4)),
  SLEAP_RTC_WORKER_DATASET_CACHE_GB: z.coerce.number().min(0).default(20),
  SLEAP_RTC_WORKER_MODEL_CACHE_GB: z.coerce.number().min(0).default(20),
  SLEAP_RTC_SLEAP_NN_PYTHON: z.string().min(1),
  SLEAP_RTC_SANDBOX: z
    .literal('')
    .transform(() => undefined)
    .pipe(z.undefined())
    .or(SandboxMode)
    .default('auto'),
  SLEAP_RTC_WARM_TRAINER: z.stringbool().default(true),
  SLEAP_RTC_GRACE_SECONDS: z.coerce.number().min(5).max(3600).default(30),
  SLEAP_RTC_CHECKPOINT_SECONDS: z
    .string()
    .default('')
    .transform((text) => (text === '' ? 60 : Number(text)))
    .pipe(z.number().min(0).max(3600)),
  SLEAP_RTC_BUCKET: z.string().default('sleap-rtc-rooms'),
  TEMPORAL_ADDRESS: z.string().default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().default('default'),
  // A composition passes unset variables as empty ones.
  AWS_ENDPOINT_URL_S3: z.url().or(z.literal('')).optional(),
  SLEAP_RTC_LOG_LEVEL: LogLevel,
});

/** A GPU worker's configuration. Secrets (`token`, `roomKey`) never reach a log. */
export interface GpuWorkerConfig {
  serverUrl: string;
  room: string;
  token: string;
  /** The worker and researchers prove with it to each other that they belong to the room; it is never sent. */
  roomKey: RoomKey;
  name: string;
  /** The worker's folder for jobs, models and logs; on a persistent volume if there is one. */
  workDir: string;
  /** Largest size of the store of earlier datasets, in bytes. What is in it need not be sent again. */
  datasetCacheBytes: number;
  /** Largest size of the cache of models, in bytes. The one that was used last stays in any case. */
  modelCacheBytes: number;
  tags: string[];
  /** The Python that has sleap-nn. */
  python: string;
  /** Whether sleap-nn is isolated. */
  sandbox: SandboxMode;
  /** Whether a process that has imported sleap-nn waits while the GPU is free. */
  warmTrainer: boolean;
  /** Longest time from SIGTERM to the end of the process, in milliseconds: the cluster's own grace period, after which it kills. */
  graceMs: number;
  /** Shortest time between two checkpoint uploads, in milliseconds; it is longer if an upload takes long. */
  checkpointEveryMs: number;
  bucket: string;
  temporal: { address: string; namespace: string };
  s3PathStyle: boolean;
  iceTransportPolicy: IceTransportPolicy;
  webRtc: WebRtcChoice;
  logLevel: string;
}

/**
 * Reads the configuration from environment variables.
 * @throws SleapRtcError USAGE naming the variable
 */
export function readGpuWorkerConfig(environment: NodeJS.ProcessEnv): GpuWorkerConfig {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new SleapRtcError(
      'USAGE',
      `The worker’s setting ${issue?.path.join('.')} is missing or wrong: ${issue?.message}`,
      {
        remedy: 'Set it in the worker’s environment; docs/admins.md lists every variable.',
      },
    );
  }
  const env = parsed.data;
  return {
    serverUrl: env.SLEAP_RTC_SERVER.replace(/\/$/, ''),
    room: env.SLEAP_RTC_ROOM,
    token: env.SLEAP_RTC_TOKEN,
    roomKey: env.SLEAP_RTC_ROOM_KEY,
    name: env.SLEAP_RTC_WORKER_NAME,
    workDir: env.SLEAP_RTC_WORKER_DIR,
    datasetCacheBytes: env.SLEAP_RTC_WORKER_DATASET_CACHE_GB * 1e9,
    modelCacheBytes: env.SLEAP_RTC_WORKER_MODEL_CACHE_GB * 1e9,
    tags: env.SLEAP_RTC_WORKER_TAGS,
    python: env.SLEAP_RTC_SLEAP_NN_PYTHON,
    sandbox: env.SLEAP_RTC_SANDBOX,
    warmTrainer: env.SLEAP_RTC_WARM_TRAINER,
    graceMs: env.SLEAP_RTC_GRACE_SECONDS * 1000,
    checkpointEveryMs: env.SLEAP_RTC_CHECKPOINT_SECONDS * 1000,
    bucket: env.SLEAP_RTC_BUCKET,
    temporal: { address: env.TEMPORAL_ADDRESS, namespace: env.TEMPORAL_NAMESPACE },
    s3PathStyle: Boolean(env.AWS_ENDPOINT_URL_S3),
    iceTransportPolicy: readIceTransportPolicy(environment),
    webRtc: readWebRtcChoice(environment),
    logLevel: env.SLEAP_RTC_LOG_LEVEL,
  };
}
