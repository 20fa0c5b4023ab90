import { Router } from 'express';
import { SleapRtcError } from '../../protocol/errors.ts';
import { ModelId } from '../../protocol/ids.ts';
import { emptyManifest } from '../../protocol/models/manifest.ts';
import type { VerifyIdToken } from '../auth/identity.ts';
import type { RoomFiles } from '../models/room-files.ts';
import type { Rooms } from '../rooms/rooms.ts';
import { jobIn } from './job-routes.ts';
import { requireIdentity, requireRoom, roomOf } from './require-room.ts';

/** A room's manifest, and links to the files of its models and predictions. */
export function modelRoutes(parts: {
  rooms: Pick<Rooms, 'enter'>;
  files: RoomFiles;
  verifyIdToken: VerifyIdToken;
}): Router {
  const router = Router();
  const door = [requireIdentity(parts.verifyIdToken), requireRoom(parts.rooms)] as const;

  router.get('/api/rooms/:room/manifest', ...door, async (req, res) => {
    const room = roomOf(res);
    const stored = await parts.files.manifest(room.room_id, req.get('if-none-match'));
    if (stored.state === 'unchanged') {
      res.status(304).end();
    } else if (stored.state === 'none') {
      res.json(emptyManifest(room.room_id, new Date(room.created_at * 1000)));
    } else {
      if (stored.etag !== undefined) res.set('ETag', stored.etag);
      res.type('application/json').send(Buffer.from(stored.body));
    }
  });

  router.get('/api/rooms/:room/models/:model/files', ...door, async (req, res) => {
    const room = roomOf(res);
    const model = ModelId.safeParse(req.params.model);
    if (!model.success) throw new SleapRtcError('MODEL_NOT_FOUND', `The room ${room.room_id} has no such model.`);
    res.json(await parts.files.modelFiles(room.room_id, model.data));
  });

  router.get('/api/rooms/:room/jobs/:job/results', ...door, async (req, res) => {
    res.json(await parts.files.jobResults(roomOf(res).room_id, jobIn(req)));
  });

  return router;
}
