import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { SleapRtcError } from '../../protocol/errors.ts';
import { isMissing, isPreconditionFailed, reachingStorage } from '../models/s3-faults.ts';
import { StoredRoom } from './dynamo-room-store.ts';
import type { Room } from './room.ts';
import type { RoomRecords } from './room-store.ts';

/** The room's record, beside its manifest. */
function recordKey(roomId: string): string {
  return `${roomId}/room.json`;
}

/** Keeps the rooms' lasting records in the room bucket. A name is taken by a conditional write, so two cannot have it. */
export function createS3RoomRecords(s3: S3Client, bucket: string): RoomRecords {
  async function read(roomId: string): Promise<Room | undefined> {
    return reachingStorage(async () => {
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: recordKey(roomId) }));
        return StoredRoom.parse(JSON.parse((await Body?.transformToString()) ?? ''));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  return {
    read,
    async claim(room) {
      await reachingStorage(async () => {
        try {
          await s3.send(
            new PutObjectCommand({
              Bucket: bucket,
              Key: recordKey(room.room_id),
              Body: JSON.stringify(room),
              ContentType: 'application/json',
              IfNoneMatch: '*',
            }),
          );
        } catch (error) {
          if (!isPreconditionFailed(error)) throw error;
          // A write whose reply was lost is repeated by the SDK and then meets itself.
          if ((await read(room.room_id))?.token === room.token) return;
          throw new SleapRtcError('ROOM_EXISTS', `There is a room named ${room.room_id}.`);
        }
      });
    },
    async release(roomId) {
      await reachingStorage(() => s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: recordKey(roomId) })));
    },
  };
}
