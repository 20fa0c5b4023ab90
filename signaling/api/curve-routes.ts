import { Router } from 'express';
import { SleapRtcError } from '../../protocol/errors.ts';
import { JobId } from '../../protocol/ids.ts';
import type { CurveReply } from '../../protocol/wire/api.ts';
import type { VerifyIdToken } from '../auth/identity.ts';
import type { ReadCurves } from '../curves/read-curves.ts';
import type { Rooms } from '../rooms/rooms.ts';
import { requireIdentity, requireRoom, roomOf } from './require-room.ts';

/** The loss curves of a room's jobs. */
export function curveRoutes(parts: {
  rooms: Pick<Rooms, 'enter'>;
  readCurves: ReadCurves;
  verifyIdToken: VerifyIdToken;
}): Router {
  const router = Router();
  const door = [requireIdentity(parts.verifyIdToken), requireRoom(parts.rooms)] as const;

  router.get('/api/rooms/:room/jobs/:job/curve', ...door, async (req, res) => {
    const job = JobId.safeParse(req.params.job);
    if (!job.success) throw new SleapRtcError('JOB_NOT_FOUND', 'There is no job of that id.');
    const body: CurveReply = { runs: await parts.readCurves(roomOf(res).room_id, job.data) };
    res.json(body);
  });

  return router;
}
