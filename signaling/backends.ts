import type { Logger } from 'pino';
import { Bucket } from '../storage/index.ts';
import { createCognitoSignIn } from './auth/cognito-sign-in.ts';
import type { SignInService, VerifyIdToken } from './auth/identity.ts';
import { createIdTokenVerifier } from './auth/verify-id-token.ts';
import { type AwsClients, createAwsClients } from './aws.ts';
import type { SignalingConfig } from './config.ts';
import type { LossCurves } from './curves/loss-curves.ts';
import { createCurveReader, type ReadCurves } from './curves/read-curves.ts';
import type { Jobs } from './jobs/jobs.ts';
import { Temporal } from './jobs/temporal.ts';
import { TemporalJobs } from './jobs/temporal-jobs.ts';
import { createJobLogReader, type ReadJobLogs } from './models/job-logs.ts';
import { createS3RoomFiles, type RoomFiles } from './models/room-files.ts';
import { createDynamoRoomStore } from './rooms/dynamo-room-store.ts';
import type { RoomRecords, RoomStore } from './rooms/room-store.ts';
import { ensureRoomsTable } from './rooms/rooms-table.ts';
import { createS3RoomRecords } from './rooms/s3-room-records.ts';
import { createS3StateStore } from './state/s3-state-store.ts';
import type { StateStore } from './state/state-store.ts';

/**
 * What the server relies on outside its own process: identities, storage and the workflow engine. In production these are
 * Cognito, DynamoDB, S3 and Temporal; tests may use the ones in memory (`testing/memory-backends.ts`).
 */
export interface Backends {
  signIn: SignInService;
  verifyIdToken: VerifyIdToken;
  rooms: { store: RoomStore; records: RoomRecords };
  /** Undefined if the state is not backed up. */
  state: StateStore | undefined;
  files: RoomFiles;
  readJobLogs: ReadJobLogs;
  jobs: Jobs;
  /** @param live the curves of running jobs, which are asked first */
  curveReader(live: Pick<LossCurves, 'of'>): ReadCurves;
  /** Frees everything. The server calls it when it stops. */
  close(): Promise<void>;
}

/**
 * The production backends. None of them has to be reachable now, except the table of rooms if the server must create it.
 * @param options `aws` clients to use instead of those from the environment; `close` destroys them
 * @throws if the table of rooms has to be created and cannot be
 */
export async function createBackends(
  config: SignalingConfig,
  options: { logger: Logger; aws?: AwsClients | undefined },
): Promise<Backends> {
  const { logger } = options;
  const aws = options.aws ?? createAwsClients(config);
  const bucketNamed = (name: string) => new Bucket(aws.s3, name, { denied: 'STORAGE_UNREACHABLE' });
  const bucket = bucketNamed(config.bucket);
  if (config.rooms.createTable) await ensureRoomsTable(aws.dynamo, config.rooms.table, logger);
  const temporal = new Temporal(config.temporal);
  const jobs = new TemporalJobs(temporal, config.temporal);
  return {
    signIn: createCognitoSignIn(aws.cognito, config.cognito),
    verifyIdToken: createIdTokenVerifier(config.cognito),
    rooms: {
      store: createDynamoRoomStore(aws.dynamo, config.rooms.table),
      records: createS3RoomRecords(bucket),
    },
    state: config.stateBucket === null ? undefined : createS3StateStore(bucketNamed(config.stateBucket)),
    files: createS3RoomFiles(bucket),
    readJobLogs: createJobLogReader(bucket),
    jobs,
    curveReader: (live) => createCurveReader({ live, jobs, bucket }),
    async close() {
      await temporal.close();
      aws.destroy();
    },
  };
}
