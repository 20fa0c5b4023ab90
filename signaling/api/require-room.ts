import type { RequestHandler, Response } from 'express';
import { SleapRtcError } from '../../protocol/errors.ts';
import { RoomId } from '../../protocol/ids.ts';
import { ROOM_TOKEN_HEADER } from '../../protocol/wire/api.ts';
import type { User, VerifyIdToken } from '../auth/identity.ts';
import type { Room } from '../rooms/room.ts';
import type { Rooms } from '../rooms/rooms.ts';

/** Requires a valid identity token (`Authorization: Bearer`). */
export function requireIdentity(verifyIdToken: VerifyIdToken): RequestHandler {
  return async (req, res, next) => {
    const [, token] = /^Bearer ([\w.~+/=-]{1,8192})$/.exec(req.get('authorization') ?? '') ?? [];
    if (token === undefined) throw new SleapRtcError('SIGN_IN_REQUIRED', 'The request has no identity token.');
    res.locals.user = await verifyIdToken(token);
    next();
  };
}

/** Requires the token of the room in the path. Comes after `requireIdentity`. */
export function requireRoom(rooms: Pick<Rooms, 'enter'>): RequestHandler {
  return async (req, res, next) => {
    res.locals.room = await rooms.enter(roomNamed(req.params.room), roomToken(req.get(ROOM_TOKEN_HEADER)));
    next();
  };
}

/** The room named in a path. A name that no room can have is reported as unknown. */
export function roomNamed(name: unknown): string {
  const room = RoomId.safeParse(name);
  if (!room.success) throw new SleapRtcError('ROOM_UNKNOWN', 'There is no room of that name.');
  return room.data;
}

/** The room token in the header. */
export function roomToken(header: string | undefined): string {
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
