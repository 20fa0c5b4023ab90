import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { Logger } from 'pino';
import pino from 'pino';
import type { WebSocketServer } from 'ws';
import { createApp } from './api/app.ts';
import { jobRoutes } from './api/job-routes.ts';
import { modelRoutes } from './api/model-routes.ts';
import { openRoutes } from './api/open-routes.ts';
import { roomRoutes } from './api/room-routes.ts';
import { createCognitoSignIn } from './auth/cognito-sign-in.ts';
import { createIdTokenVerifier } from './auth/verify-id-token.ts';
import { type AwsClients, createAwsClients } from './aws.ts';
import type { SignalingConfig } from './config.ts';
import { curveRoutes } from './curves/curve-routes.ts';
import { LossCurves } from './curves/loss-curves.ts';
import { createCurveReader } from './curves/read-curves.ts';
import { iceServersFor } from './ice/ice-servers.ts';
import { ensureSearchAttributes } from './jobs/search-attributes.ts';
import { Temporal } from './jobs/temporal.ts';
import { createTemporalJobs } from './jobs/temporal-jobs.ts';
import { createJobLogReader } from './models/job-logs.ts';
import { createS3RoomFiles } from './models/room-files.ts';
import { findPageFiles } from './page/page-files.ts';
import { pageRoutes } from './page/page-routes.ts';
import { PeerDirectory } from './peers/directory.ts';
import { ProgressMemory } from './peers/last-progress.ts';
import { CLOSE } from './peers/limits.ts';
import { Liveness } from './peers/liveness.ts';
import { serveSocket } from './peers/socket.ts';
import { createDynamoRoomStore } from './rooms/dynamo-room-store.ts';
import { startRoomKeeper } from './rooms/room-keeper.ts';
import { Rooms } from './rooms/rooms.ts';
import { ensureRoomsTable } from './rooms/rooms-table.ts';
import { createS3RoomRecords } from './rooms/s3-room-records.ts';
import { startStateBackup } from './state/state-backup.ts';

/** A running signaling server. */
export interface SignalingServer extends AsyncDisposable {
  /** `http://host:port`, where it listens. */
  url: string;
  /** Sends peers away, answers what is under way, saves the state and frees everything. Safe to call twice. */
  stop(): Promise<void>;
}

/** How long requests under way may take when the server stops. */
const STOP_GRACE_MS = 2000;

/**
 * Starts the signaling server.
 * Starts also while Temporal, S3 or Cognito are away: what needs them answers so until they are back.
 * @param options `aws` clients of your own, which are ended with the server; `now` another clock for the rooms' life
 * @throws where the port is taken, or the table of rooms has to be made and cannot be
 */
export async function startSignalingServer(
  config: SignalingConfig,
  options: { logger?: Logger; now?: () => Date; aws?: AwsClients } = {},
): Promise<SignalingServer> {
  const logger = options.logger ?? pino({ name: 'signaling' });
  const now = options.now ?? (() => new Date());
  const stopping = new AbortController();
  const pageFiles = await findPageFiles();

  const aws = options.aws ?? createAwsClients(config);
  if (config.rooms.createTable) await ensureRoomsTable(aws.dynamo, config.rooms.table, logger);
  const rooms = new Rooms({
    store: createDynamoRoomStore(aws.dynamo, config.rooms.table),
    records: createS3RoomRecords(aws.s3, config.bucket),
    now,
  });
  const verifyIdToken = createIdTokenVerifier(config.cognito);

  const temporal = new Temporal(config.temporal);
  const jobs = createTemporalJobs(temporal, config.temporal);
  const attributes = ensureSearchAttributes(temporal, {
    namespace: config.temporal.namespace,
    logger,
    signal: stopping.signal,
  });

  const directory = new PeerDirectory({ onChange: () => backup.changed() });
  const progress = new ProgressMemory({ onChange: () => backup.changed() });
  const curves = new LossCurves({ onChange: () => backup.changed() });
  const backup = await startStateBackup({
    directory,
    progress,
    curves,
    s3: aws.s3,
    bucket: config.stateBucket,
    logger,
    now,
  });

  const keeper = startRoomKeeper({
    rooms,
    sources: [async () => directory.activeRooms(), () => jobs.runningRooms()],
    logger,
  });

  const liveness = new Liveness();
  const services = {
    directory,
    progress,
    curves,
    rooms,
    verifyIdToken,
    iceServersFor: (userId: string) => iceServersFor(userId, config.ice, now()),
  };
  const app = express();
  const server = createServer(app);
  const { sockets } = createApp({
    app,
    server,
    serveSocket: (socket) => serveSocket(socket, { services, liveness, logger }),
    routers: [
      openRoutes({ signIn: createCognitoSignIn(aws.cognito, config.cognito), ...config.limits }),
      roomRoutes({ rooms, directory, verifyIdToken, ...config.limits }),
      modelRoutes({ rooms, files: createS3RoomFiles(aws.s3, config.bucket), verifyIdToken }),
      jobRoutes({
        rooms,
        jobs,
        directory,
        readLogs: createJobLogReader(aws.s3, config.bucket),
        verifyIdToken,
        stopping: stopping.signal,
      }),
      curveRoutes({
        rooms,
        readCurves: createCurveReader({ live: curves, jobs, s3: aws.s3, bucket: config.bucket }),
        verifyIdToken,
      }),
      pageRoutes(pageFiles),
    ],
    trustedProxies: config.limits.trustedProxies,
    logger,
  });

  async function stop(): Promise<void> {
    stopping.abort();
    // Before the peers are sent away, so that the backup still has them.
    await backup.stop();
    await closeServer(server, sockets);
    liveness.stop();
    await keeper.stop();
    await attributes;
    await temporal.close();
    aws.destroy();
  }
  let stopped: Promise<void> | undefined;
  const stopOnce = () => {
    stopped ??= stop();
    return stopped;
  };

  server.listen(config.port, config.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    await stopOnce();
    throw error;
  }
  return { url: urlOf(server), stop: stopOnce, [Symbol.asyncDispose]: stopOnce };
}

async function closeServer(server: Server, sockets: WebSocketServer): Promise<void> {
  for (const socket of sockets.clients) socket.close(CLOSE.goingAway, 'the server stops');
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const force = setTimeout(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
  }, STOP_GRACE_MS);
  await closed;
  clearTimeout(force);
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
