import { type Server, STATUS_CODES } from 'node:http';
import type { Express, RequestHandler, Router } from 'express';
import expressWs from 'express-ws';
import type { Logger } from 'pino';
import type { WebSocket, WebSocketServer } from 'ws';
import { HARD_MESSAGE_BYTES } from '../peers/limits.ts';
import { answerErrors, unknownPath } from './error-reply.ts';
import { requestLog } from './request-log.ts';
import { safeHeaders } from './safe-headers.ts';
import { SocketLimits, type SocketLimitsConfig } from './socket-limits.ts';

/** The path of the WebSocket. */
const SOCKET_PATH = '/ws';

/** Adds the routes and the WebSocket to an HTTP server. */
export function createApp(parts: {
  app: Express;
  server: Server;
  routers: readonly Router[];
  serveSocket: (socket: WebSocket) => void;
  limits: SocketLimitsConfig;
  logger: Logger;
}): { sockets: WebSocketServer } {
  const { app, server, logger } = parts;
  app.disable('x-powered-by');
  // ETags come from the storage; one made by Express would hide that a manifest has changed.
  app.disable('etag');
  app.set('trust proxy', parts.limits.trustedProxies);
  app.set('query parser', 'simple');

  const limits = new SocketLimits(parts.limits);
  const withSockets = expressWs(app, server, {
    leaveRouterUntouched: true,
    wsOptions: {
      maxPayload: HARD_MESSAGE_BYTES,
      // express-ws would complete the upgrade on any path and close it later.
      verifyClient: ({ req }, accept) => {
        const refusal = pathOf(req.url) === SOCKET_PATH ? limits.refusal(req) : 404;
        if (refusal === undefined) accept(true);
        else accept(false, refusal, STATUS_CODES[refusal]);
      },
    },
  });
  const sockets = withSockets.getWss();
  limits.watch(sockets);
  // The first route, so that no other middleware sees the artificial request of a socket.
  withSockets.app.ws(SOCKET_PATH, (socket) => parts.serveSocket(socket));

  app.use(
    endingConnections(server),
    requestLog(logger),
    safeHeaders,
    ...parts.routers,
    unknownPath,
    answerErrors(logger),
  );
  return { sockets };
}

/** A keep-alive connection that got its last answer while the server was stopping would delay the stop. */
function endingConnections(server: Server): RequestHandler {
  return (_req, res, next) => {
    res.on('close', () => {
      if (!server.listening) setImmediate(() => server.closeIdleConnections());
    });
    next();
  };
}

function pathOf(url: string | undefined): string {
  return URL.parse(url ?? '', 'http://server')?.pathname ?? '';
}
