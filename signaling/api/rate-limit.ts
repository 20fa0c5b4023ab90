import type { Request, RequestHandler, Response } from 'express';
import { type Options, rateLimit } from 'express-rate-limit';
import { SleapRtcError } from '../../protocol/errors.ts';
import { errorReply } from './error-reply.ts';
import { userOf } from './require-room.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Limits the requests a minute from one address. The reply to others says when to try again (`Retry-After`). */
export function perMinute(limit: number, what: string): RequestHandler {
  return limited(limit, { windowMs: MINUTE_MS, what: `${what} from this address`, when: 'in a minute' });
}

/** The same a day. */
export function perDay(limit: number, what: string): RequestHandler {
  return limited(limit, { windowMs: DAY_MS, what: `${what} from this address`, when: 'tomorrow' });
}

/** Limits the requests a minute of one user. Comes after `requireIdentity`. */
export function perUserAndMinute(limit: number, what: string): RequestHandler {
  const keyGenerator = (_req: Request, res: Response) => userOf(res).user_id;
  return limited(limit, { windowMs: MINUTE_MS, what: `${what} of one user`, when: 'in a minute', keyGenerator });
}

function limited(
  limit: number,
  { windowMs, what, when, ...options }: { windowMs: number; what: string; when: string } & Partial<Options>,
): RequestHandler {
  return rateLimit({
    ...options,
    windowMs,
    limit,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    // Whether proxies are trusted is the configuration's decision, not one to warn about at run time.
    validate: false,
    handler: (_req, res) => {
      const remedy = `Try again ${when}. If you need more, the lab’s admin can raise the server’s limits.`;
      res.status(429).json(errorReply(new SleapRtcError('LIMIT_REACHED', `Too many ${what}.`, { remedy })));
    },
  });
}
