import type { Server } from 'node:http';
import type { Express, RequestHandler, Router } from 'express';
import expressWs from 'express-ws';
import type { Logger } from 'pino';
import type { WebSocket, WebSocketServer } from 'ws';
import { HARD_MESSAGE_BYTES, MAX_SOCKETS } from '../peers/limits.ts';
import { answerErrors, unknownPath } from './error-reply.ts';
import { requestLog } from './request-log.ts';
import { safeHeaders } from './safe-headers.ts';

/** Where peers connect. */
const SOCKET_PATH = '/ws';

/** Puts the routes and the WebSocket on an HTTP server. */
export function createApp(parts: {
  app: Express;
  server: Server;
  routers: readonly Router[];
  serveSocket: (socket: WebSocket) => void;
  trustedProxies: number;
  logger: Logger;
}): { sockets: WebSocketServer } {
  const { app, server, logger } = parts;
  app.disable('x-powered-by');
  // ETags are the storage's own; one made up by Express would hide a changed manifest's.
  app.disable('etag');
  app.set('trust proxy', parts.trustedProxies);
  app.set('query parser', 'simple');

  const withSockets = expressWs(app, server, {
    leaveRouterUntouched: true,
    wsOptions: {
      maxPayload: HARD_MESSAGE_BYTES,
      // express-ws would complete the upgrade on any path and close it later.
      verifyClient: ({ req }, accept) => {
        if (pathOf(req.url) !== SOCKET_PATH) accept(false, 404, 'Not Found');
        else if (sockets.clients.size >= MAX_SOCKETS) accept(false, 503, 'Service Unavailable');
        else accept(true);
      },
    },
  });
  const sockets = withSockets.getWss();
  // First of all routes, so that no other middleware sees the made-up request behind a socket.
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

/** A kept-alive connection whose last answer went out while the server was stopping would hold it up. */
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
