import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Router } from 'express';
import type { Logger } from 'pino';
import pino from 'pino';
import type { WebSocketServer } from 'ws';
import { createApp } from './api/app.ts';
import { curveRoutes } from './api/curve-routes.ts';
import { jobRoutes } from './api/job-routes.ts';
import { modelRoutes } from './api/model-routes.ts';
import { openRoutes } from './api/open-routes.ts';
import { ownerRoutes } from './api/owner-routes.ts';
import { pageRoutes } from './api/page-routes.ts';
import { roomRoutes } from './api/room-routes.ts';
import type { AwsClients } from './aws.ts';
import { type Backends, createBackends } from './backends.ts';
import type { SignalingConfig } from './config.ts';
import { LossCurves } from './curves/loss-curves.ts';
import { iceRenewalMs, iceServersFor } from './ice/ice-servers.ts';
import { JobViews } from './job-views/job-views.ts';
import { JobLimits } from './jobs/job-limits.ts';
import { findPageFiles } from './page/page-files.ts';
import { PeerDirectory } from './peers/directory.ts';
import { CLOSE } from './peers/limits.ts';
import { Liveness } from './peers/liveness.ts';
import type { PeerServices } from './peers/registration.ts';
import { SendBuffers } from './peers/send-buffers.ts';
import { serveSocket } from './peers/socket.ts';
import { startExtendingRooms } from './rooms/extend-rooms.ts';
import { Rooms } from './rooms/rooms.ts';
import { startFreeingEmptyRooms } from './state/empty-rooms.ts';
import { type StateBackup, startStateBackup } from './state/state-backup.ts';

/** A running signaling server. */
export interface SignalingServer extends AsyncDisposable {
  /** `http://host:port` at which it listens. */
  url: string;
  /** Disconnects the peers, answers the requests under way, saves the state and frees everything. Safe to call twice. */
  stop(): Promise<void>;
}

export interface SignalingServerOptions {
  /** Default: one that logs to stdout. */
  logger?: Logger;
  /** Clock for the lifetime of rooms. Default: the system's. */
  now?: () => Date;
  /** AWS clients for the production backends; the server destroys them when it stops. Default: from the environment. */
  aws?: AwsClients;
  /** Replaces the production backends, e.g. by the ones in memory; the server closes them when it stops. */
  backends?: Backends;
  /** Pause between two questions to Temporal about a room whose jobs somebody reads, in ms. Default: 2000. */
  roundMs?: number;
  /** When rooms without peers are freed. Default: after some minutes. */
  emptyRooms?: { freeAfterMs: number; checkIntervalMs: number };
}

/** How long requests under way may take when the server stops. */
const STOP_GRACE_MS = 2000;

/**
 * Starts the signaling server. It starts also while Temporal, S3 or Cognito are unavailable: requests that need them are
 * answered with an error until they are back.
 * @throws if the port is taken, or the table of rooms has to be created and cannot be
 */
export async function startSignalingServer(
  config: SignalingConfig,
  options: SignalingServerOptions = {},
): Promise<SignalingServer> {
  const logger = options.logger ?? pino({ name: 'signaling' });
  const now = options.now ?? (() => new Date());
  const stopping = new AbortController();
  const pageFiles = await findPageFiles();
  const backends = options.backends ?? (await createBackends(config, { logger, aws: options.aws }));
  const { jobs } = backends;
  const rooms = new Rooms({ ...backends.rooms, now });
  const state = await createServices(config, { backends, rooms, logger, now, roundMs: options.roundMs });
  const { services, jobViews, backup } = state;
  const extending = startExtendingRooms({
    rooms,
    sources: [async () => services.directory.activeRooms(), () => jobs.runningRooms()],
    logger,
  });
  const liveness = new Liveness();
  const buffers = new SendBuffers({ budgetBytes: config.limits.sendBufferBytes, logger });
  const stopFreeing = startFreeingEmptyRooms({ directory: services.directory, ...state, ...options.emptyRooms });
  const app = express();
  const server = createServer(app);
  const { sockets } = createApp({
    app,
    server,
    serveSocket: (socket) => serveSocket(socket, { services, liveness, buffers, logger }),
    routers: [...apiRoutes(config, { backends, rooms, state, stopping: stopping.signal }), pageRoutes(pageFiles)],
    limits: config.limits,
    logger,
  });

  async function stop(): Promise<void> {
    stopping.abort();
    // Before the peers are disconnected, so that the backup still has them.
    await backup.stop();
    await closeServer(server, sockets);
    liveness.stop();
    stopFreeing();
    jobViews.close();
    await extending.stop();
    await backends.close();
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

interface Services {
  /** What the handling of sockets needs. */
  services: PeerServices;
  jobViews: JobViews;
  curves: LossCurves;
  backup: StateBackup;
}

/** The state that the server has in memory, restored from the last backup, and what the handling of sockets needs. */
async function createServices(
  config: SignalingConfig,
  parts: { backends: Backends; rooms: Rooms; logger: Logger; now: () => Date; roundMs: number | undefined },
): Promise<Services> {
  const { backends, rooms, logger, now } = parts;
  const onChange = () => backup.changed();
  const directory = new PeerDirectory({
    onChange: (roomId) => {
      jobViews.peersChanged(roomId);
      onChange();
    },
  });
  const curves = new LossCurves({ onChange });
  const jobViews = new JobViews({
    jobs: backends.jobs,
    peers: (roomId) => directory.peers(roomId),
    onProgress: (roomId, report) => curves.observe(roomId, report),
    onEnd: (roomId, jobId) => curves.ended(roomId, jobId),
    onChange,
    logger,
    roundMs: parts.roundMs,
  });
  const backup: StateBackup = await startStateBackup({
    directory,
    jobViews,
    curves,
    store: backends.state,
    logger,
    now,
  });
  const services: PeerServices = {
    directory,
    jobViews,
    rooms,
    verifyIdToken: backends.verifyIdToken,
    iceServersFor: (userId) => iceServersFor(userId, config.ice, now()),
    iceRenewalMs: iceRenewalMs(config.ice),
  };
  return { services, jobViews, curves, backup };
}

function apiRoutes(
  { limits }: SignalingConfig,
  parts: { backends: Backends; rooms: Rooms; state: Services; stopping: AbortSignal },
): Router[] {
  const { backends, rooms, state, stopping } = parts;
  const { verifyIdToken, files, readJobLogs } = backends;
  const { jobViews, curves } = state;
  const { directory } = state.services;
  return [
    openRoutes({ signIn: backends.signIn, ...limits }),
    roomRoutes({ rooms, directory, verifyIdToken, ...limits }),
    ownerRoutes({ rooms, directory, jobViews, jobs: backends.jobs, curves, files, verifyIdToken }),
    modelRoutes({ rooms, files, verifyIdToken }),
    jobRoutes({
      rooms,
      jobViews,
      limits: new JobLimits({ jobs: backends.jobs, config: limits }),
      ...limits,
      directory,
      readLogs: readJobLogs,
      verifyIdToken,
      stopping,
    }),
    curveRoutes({ rooms, readCurves: backends.curveReader(curves), verifyIdToken }),
  ];
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
