import type { Request, RequestHandler, Response } from 'express';
import { SleapRtcError } from '../../protocol/errors.ts';
import { RoomId } from '../../protocol/ids.ts';
import { ROOM_TOKEN_HEADER, type RoomRole } from '../../protocol/wire/api.ts';
import type { User, VerifyIdToken } from '../auth/identity.ts';
import type { Room } from '../rooms/room.ts';
import { type EntryRequest, entryRefused, type Rooms, refuseViewer } from '../rooms/rooms.ts';

/** Requires a valid identity token (`Authorization: Bearer`). */
export function requireIdentity(verifyIdToken: VerifyIdToken): RequestHandler {
  return async (req, res, next) => {
    const [, token] = /^Bearer ([\w.~+/=-]{1,8192})$/.exec(req.get('authorization') ?? '') ?? [];
    if (token === undefined) throw new SleapRtcError('SIGN_IN_REQUIRED', 'The request has no identity token.');
    res.locals.user = await verifyIdToken(token);
    next();
  };
}

/** Requires a token of the room in the path, of anyone who may read. Comes after `requireIdentity`. */
export function requireRoom(rooms: Pick<Rooms, 'enter'>): RequestHandler {
  return async (req, res, next) => {
    const entry = await rooms.enter(entryIn(req, res));
    res.locals.room = entry.room;
    res.locals.role = entry.role;
    next();
  };
}

/** Requires that the token is a member's or the owner's. Comes after `requireRoom`. */
export const requireMember: RequestHandler = (_req, res, next) => {
  refuseViewer(roleOf(res));
  next();
};

/** Requires that the token is the owner's. Comes after `requireRoom`. */
export const requireOwner: RequestHandler = (_req, res, next) => {
  if (roleOf(res) !== 'owner') throw new SleapRtcError('NOT_ALLOWED', 'Only the owner of the room may do this.');
  next();
};

/** Who wants to enter which room: what a request says. Only after `requireIdentity`. */
export function entryIn(req: Request, res: Response): EntryRequest {
  return {
    roomId: roomNamed(req.params.room),
    token: roomToken(req.get(ROOM_TOKEN_HEADER)),
    userId: userOf(res).user_id,
  };
}

/** The room named in a path. A name that no room can have is refused like one that there is not. */
function roomNamed(name: unknown): string {
  const room = RoomId.safeParse(name);
  if (!room.success) throw entryRefused();
  return room.data;
}

/** The room token in the header. */
function roomToken(header: string | undefined): string {
  if (header === undefined) throw new SleapRtcError('TOKEN_REFUSED', `The request has no ${ROOM_TOKEN_HEADER} header.`);
  return header;
}

/** The caller; only after `requireIdentity`. */
export function userOf(res: Response): User {
  return res.locals.user;
}

/** The room in the path; only after `requireRoom`. */
export function roomOf(res: Response): Room {
  return res.locals.room;
}

/** What the caller's token allows; only after `requireRoom`. */
export function roleOf(res: Response): RoomRole {
  return res.locals.role;
}
