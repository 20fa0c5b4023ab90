import { SleapRtcError } from '../../protocol/errors.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { StoredRoom } from '../../protocol/stored/stored-objects.ts';
import { type Bucket, readJson, updateJson, writeJson } from '../../storage/index.ts';
import type { RoomRecords } from './room-store.ts';

/** Stores the rooms' lasting records in the room bucket. A name is taken by a conditional write, so two cannot have it. */
export function createS3RoomRecords(bucket: Bucket): RoomRecords {
  const read = (roomId: string) => readJson(bucket, s3Layout.room(roomId), StoredRoom);
  return {
    read,
    async claim(room) {
      const etag = await writeJson(bucket, s3Layout.room(room.room_id), room, { condition: 'absent' });
      if (etag !== undefined) return;
      // The SDK repeats a write whose answer was lost, which then finds itself.
      if ((await read(room.room_id))?.token === room.token) return;
      throw new SleapRtcError('ROOM_EXISTS', `There is a room named ${room.room_id}.`);
    },
    async change(roomId, change) {
      const changeKnown = (room: StoredRoom | undefined) => (room === undefined ? undefined : change(room));
      return (await updateJson(bucket, s3Layout.room(roomId), StoredRoom, changeKnown)).after;
    },
    release: (roomId) => bucket.remove(s3Layout.room(roomId)),
  };
}
