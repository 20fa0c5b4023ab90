import type { RequestHandler } from 'express';
import type { Logger } from 'pino';

/** Logs each answered request in one line: method, route pattern, status, time, room. Never headers, query or body. */
export function requestLog(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const startedAt = performance.now();
    res.on('close', () => {
      const pattern: unknown = req.route?.path;
      const line = {
        event: 'request',
        method: req.method,
        // A path that matched no route may contain anything, so it is not logged.
        route: typeof pattern === 'string' ? pattern : 'unknown',
        status: res.statusCode,
        ms: Math.round(performance.now() - startedAt),
        // Set by `requireRoom`, so only a room that the caller may enter is named.
        ...(res.locals.room === undefined ? {} : { room: res.locals.room.room_id }),
        ...(res.locals.errorCode === undefined ? {} : { code: res.locals.errorCode }),
      };
      if (pattern === '/health') logger.debug(line, 'request');
      else logger.info(line, 'request');
    });
    next();
  };
}
