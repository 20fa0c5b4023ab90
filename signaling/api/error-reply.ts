import type { ErrorRequestHandler, RequestHandler } from 'express';
import type { Logger } from 'pino';
import { z } from 'zod';
import { type ErrorCode, SleapRtcError } from '../../protocol/errors.ts';
import type { ErrorReply } from '../../protocol/wire/api.ts';

const STATUS: Partial<Record<ErrorCode, number>> = {
  SIGN_IN_REQUIRED: 401,
  TOKEN_REFUSED: 403,
  NOT_ALLOWED: 403,
  JOB_NOT_FOUND: 404,
  MODEL_NOT_FOUND: 404,
  ROOM_EXISTS: 409,
  MODEL_EXISTS: 409,
  JOB_ACTION_REFUSED: 409,
  ROOM_EXPIRED: 410,
  MESSAGE_TOO_LARGE: 413,
  LIMIT_REACHED: 429,
  SERVER_ERROR: 503,
  TEMPORAL_UNREACHABLE: 503,
  CONTROL_UNAVAILABLE: 503,
  STORAGE_UNREACHABLE: 503,
  INTERNAL: 500,
};

/** The HTTP status of a code. A code that is not listed is the caller's mistake. */
export function httpStatus(code: ErrorCode): number {
  return STATUS[code] ?? 400;
}

/** The body of an answer that is not 2xx. */
export function errorReply(error: SleapRtcError): ErrorReply {
  return { error: { code: error.code, message: error.message, remedy: error.remedy } };
}

/** Answers paths that are not ours. */
export const unknownPath: RequestHandler = (_req, res) => {
  res.status(404).json(errorReply(new SleapRtcError('USAGE', 'The server has no such address.')));
};

/** Converts anything that a handler threw into an ErrorReply. An internal error is logged in full and reported without details. */
export function answerErrors(logger: Logger): ErrorRequestHandler {
  return (thrown: unknown, _req, res, next) => {
    if (res.headersSent) {
      next(thrown);
      return;
    }
    const { error, status } = understand(thrown);
    if (status >= 500) logger.error({ event: 'request_failed', code: error.code, err: thrown }, 'a request failed');
    res.locals.errorCode = error.code;
    res.status(status).json(errorReply(error));
  };
}

function understand(thrown: unknown): { error: SleapRtcError; status: number } {
  if (thrown instanceof SleapRtcError) return { error: thrown, status: httpStatus(thrown.code) };
  if (thrown instanceof z.ZodError) {
    const issue = thrown.issues[0];
    const message = `${issue?.path.join('.') || 'request'}: ${issue?.message ?? 'not understood'}`;
    return { error: new SleapRtcError('MESSAGE_INVALID', message.slice(0, 500)), status: 400 };
  }
  // Express and its body parser throw errors with a status: a path that cannot be decoded, a body that is no JSON.
  const status = HttpFault.safeParse(thrown).data?.status;
  if (status === 413) return { error: new SleapRtcError('MESSAGE_TOO_LARGE', 'The request is too large.'), status };
  if (status !== undefined)
    return { error: new SleapRtcError('MESSAGE_INVALID', 'The request is not understood.'), status };
  return { error: new SleapRtcError('INTERNAL', 'The server met an unexpected fault.'), status: 500 };
}

const HttpFault = z.object({ status: z.int().min(400).max(499) });
