import express, { Router } from 'express';
import { type CreateRoomReply, CreateRoomRequest, type RoomReply } from '../../protocol/wire/api.ts';
import type { VerifyIdToken } from '../auth/identity.ts';
import type { PeerDirectory } from '../peers/directory.ts';
import { isoTime } from '../rooms/room.ts';
import type { Entry, Rooms } from '../rooms/rooms.ts';
import { perDay, perMinute } from './rate-limit.ts';
import { entryIn, requireIdentity, requireRoom, roleOf, roomOf, userOf } from './require-room.ts';

/** Routes that make, show and reopen rooms. */
export function roomRoutes(parts: {
  rooms: Rooms;
  directory: PeerDirectory;
  verifyIdToken: VerifyIdToken;
  roomsPerMinute: number;
  roomsPerDay: number;
}): Router {
  const { rooms, directory } = parts;
  const router = Router();
  const member = requireIdentity(parts.verifyIdToken);

  const describe = ({ room, role }: Entry): RoomReply => {
    const peers = directory.peers(room.room_id);
    return {
      room_id: room.room_id,
      created_at: isoTime(room.created_at),
      expires_at: isoTime(room.expires_at),
      workers: peers.filter(({ role }) => role === 'worker').length,
      peers: peers.length,
      role,
    };
  };

  router.post(
    '/api/rooms',
    member,
    perMinute(parts.roomsPerMinute, 'new rooms'),
    perDay(parts.roomsPerDay, 'new rooms'),
    express.json({ limit: '4kb' }),
    async (req, res) => {
      const { room_id } = CreateRoomRequest.parse(req.body ?? {});
      const { room, tokens } = await rooms.create({
        userId: userOf(res).user_id,
        ...(room_id ? { roomId: room_id } : {}),
      });
      const reply: CreateRoomReply = {
        room_id: room.room_id,
        token: tokens.member,
        owner_token: tokens.owner,
        viewer_token: tokens.viewer,
        created_at: isoTime(room.created_at),
        expires_at: isoTime(room.expires_at),
      };
      res.status(201).json(reply);
    },
  );

  router.get('/api/rooms/:room', member, requireRoom(rooms), (_req, res) => {
    res.json(describe({ room: roomOf(res), role: roleOf(res) }));
  });

  // Not behind `requireRoom`, which refuses an expired room.
  router.post('/api/rooms/:room/open', member, async (req, res) => {
    const entry = await rooms.reopen(entryIn(req, res));
    res.locals.room = entry.room;
    res.json(describe(entry));
  });

  return router;
}
