import { ConditionalCheckFailedException, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DeleteCommand, DynamoDBDocumentClient, GetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { SleapRtcError } from '../../protocol/errors.ts';
import { StoredRoom } from '../../protocol/stored/stored-objects.ts';
import type { Room } from './room.ts';
import type { RoomStore } from './room-store.ts';

/** Stores rooms in a DynamoDB table whose key is `room_id`. */
export function createDynamoRoomStore(dynamo: DynamoDBClient, table: string): RoomStore {
  const documents = DynamoDBDocumentClient.from(dynamo);
  return {
    async create(room) {
      await reaching(async () => {
        try {
          await documents.send(
            new PutCommand({ TableName: table, Item: room, ConditionExpression: 'attribute_not_exists(room_id)' }),
          );
        } catch (error) {
          if (!(error instanceof ConditionalCheckFailedException)) throw error;
          throw new SleapRtcError('ROOM_EXISTS', `There is a room named ${room.room_id}.`);
        }
      });
    },
    async get(roomId) {
      return reaching(async () => {
        const { Item } = await documents.send(
          new GetCommand({ TableName: table, Key: { room_id: roomId }, ConsistentRead: true }),
        );
        return Item === undefined ? undefined : StoredRoom.parse(Item);
      });
    },
    async extend(roomId, expiresAt) {
      await reaching(async () => {
        try {
          await documents.send(
            new UpdateCommand({
              TableName: table,
              Key: { room_id: roomId },
              UpdateExpression: 'SET expires_at = :later',
              ConditionExpression: 'attribute_exists(room_id) AND expires_at < :later',
              ExpressionAttributeValues: { ':later': expiresAt },
            }),
          );
        } catch (error) {
          if (!(error instanceof ConditionalCheckFailedException)) throw error;
        }
      });
    },
    async restore(room: Room) {
      await reaching(() => documents.send(new PutCommand({ TableName: table, Item: room })));
    },
    async remove(roomId) {
      await reaching(() => documents.send(new DeleteCommand({ TableName: table, Key: { room_id: roomId } })));
    },
  };
}

async function reaching<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof SleapRtcError) throw error;
    throw new SleapRtcError('SERVER_ERROR', 'The table of rooms cannot be reached.', { cause: error });
  }
}
