import { randomUUID } from 'node:crypto';
import express, { type Request, type Response, Router } from 'express';
import { SleapRtcError } from '../../protocol/errors.ts';
import { UserId } from '../../protocol/ids.ts';
import {
  DeleteRoomReply,
  DeleteRoomRequest,
  RemoveMemberReply,
  RemoveMemberRequest,
  type RotateReply,
} from '../../protocol/wire/api.ts';
import type { VerifyIdToken } from '../auth/identity.ts';
import type { LossCurves } from '../curves/loss-curves.ts';
import type { JobViews } from '../job-views/job-views.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { RoomFiles } from '../models/room-files.ts';
import type { PeerDirectory } from '../peers/directory.ts';
import type { Rooms } from '../rooms/rooms.ts';
import { entryIn, requireIdentity, requireOwner, requireRoom, roomOf } from './require-room.ts';

/** What a room's owner may do: change its tokens, remove a user, delete it. Sockets that are let in no more end at once. */
export function ownerRoutes(parts: {
  rooms: Rooms;
  directory: PeerDirectory;
  jobViews: Pick<JobViews, 'free'>;
  jobs: Pick<Jobs, 'active' | 'control'>;
  curves: Pick<LossCurves, 'free'>;
  files: Pick<RoomFiles, 'removeRoom'>;
  verifyIdToken: VerifyIdToken;
}): Router {
  const { rooms, directory, jobViews, curves, files } = parts;
  const router = Router();
  const identity = requireIdentity(parts.verifyIdToken);
  const owner = [identity, requireRoom(rooms), requireOwner] as const;
  const body = express.json({ limit: '4kb' });

  router.post('/api/rooms/:room/rotate', ...owner, async (_req, res) => {
    const { room_id } = roomOf(res);
    const tokens = await rooms.rotate(room_id);
    directory.disconnect(room_id, 'TOKEN_REFUSED', ({ access }) => access !== 'owner');
    const reply: RotateReply = { room_id, token: tokens.member, viewer_token: tokens.viewer };
    res.json(reply);
  });

  router.post('/api/rooms/:room/remove-member', ...owner, body, async (req, res) => {
    const { room_id } = roomOf(res);
    const { member } = RemoveMemberRequest.parse(req.body ?? {});
    const user_id = directory.find(room_id, member)?.info.user_id ?? member;
    await rooms.removeUser(room_id, UserId.parse(user_id));
    directory.disconnect(room_id, 'NOT_ALLOWED', ({ info, access }) => info.user_id === user_id && access !== 'owner');
    res.json(RemoveMemberReply.parse({ room_id, user_id }));
  });

  // Not behind `requireRoom`, which refuses a room that has expired or been deleted: the owner may repeat the request.
  router.post('/api/rooms/:room/delete', identity, body, async (req: Request, res: Response) => {
    const entry = entryIn(req, res);
    await rooms.checkOwner(entry);
    const { confirm } = DeleteRoomRequest.parse(req.body ?? {});
    if (confirm !== entry.roomId) {
      throw new SleapRtcError('USAGE', 'The name in the confirmation is another room’s.', {
        remedy: 'Confirm with the name of the room that is to be deleted.',
      });
    }
    await rooms.delete(entry.roomId);
    directory.disconnect(entry.roomId, 'TOKEN_REFUSED', () => true);
    const jobs_cancelled = await cancelAll(parts.jobs, entry.roomId);
    await files.removeRoom(entry.roomId);
    jobViews.free(entry.roomId);
    curves.free(entry.roomId);
    res.json(DeleteRoomReply.parse({ room_id: entry.roomId, jobs_cancelled }));
  });

  return router;
}

/** Cancels the jobs of a room that have not ended. One that does not take it now is uploading its last results. Returns how many did. */
async function cancelAll(jobs: Pick<Jobs, 'active' | 'control'>, roomId: string): Promise<number> {
  const active = await jobs.active(roomId);
  const outcomes = await Promise.allSettled(
    active.map(({ status }) => jobs.control(roomId, status.job_id, 'cancel', randomUUID())),
  );
  return outcomes.filter(({ status }) => status === 'fulfilled').length;
}
