import type { RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import { SleapRtcError } from '../../protocol/errors.ts';
import { errorReply } from './error-reply.ts';

/** Limits the requests a minute from one address. The reply to others says when to try again (`Retry-After`). */
export function perMinute(limit: number, what: string): RequestHandler {
  return rateLimit({
    windowMs: 60_000,
    limit,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    // Whether proxies are trusted is the configuration's decision, not one to warn about at run time.
    validate: false,
    handler: (_req, res) => {
      const message = `Too many ${what} from this address.`;
      res
        .status(429)
        .json(errorReply(new SleapRtcError('SERVER_ERROR', message, { remedy: 'Try again in a minute.' })));
    },
  });
}
