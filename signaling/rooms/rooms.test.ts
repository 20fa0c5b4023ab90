import assert from 'node:assert/strict';
import { DeleteItemCommand } from '@aws-sdk/client-dynamodb';
import pino from 'pino';
import { Bucket } from '../../storage/index.ts';
import type { AwsClients } from '../aws.ts';
import { startTestServers, type TestServers } from '../testing/test-servers.ts';
import { createDynamoRoomStore } from './dynamo-room-store.ts';
import { ROOM_LIFETIME_MS } from './room.ts';
import type { RoomStore } from './room-store.ts';
import { Rooms } from './rooms.ts';
import { ensureRoomsTable } from './rooms-table.ts';
import { createS3RoomRecords } from './s3-room-records.ts';

const MINUTE = 60_000;

describe('rooms on real DynamoDB and S3', () => {
  let servers: TestServers;
  let aws: AwsClients;
  let store: RoomStore;
  let now = new Date('2026-01-01T00:00:00Z');
  let rooms: Rooms;

  before(async function () {
    this.timeout(60_000);
    servers = await startTestServers(['s3', 'dynamodb']);
    aws = servers.aws();
    const logger = pino({ level: 'silent' });
    await Promise.all([1, 2].map(() => ensureRoomsTable(aws.dynamo, 'rooms', logger)));
    store = createDynamoRoomStore(aws.dynamo, 'rooms');
    rooms = new Rooms({
      store,
      records: createS3RoomRecords(new Bucket(aws.s3, servers.config.bucket)),
      now: () => now,
    });
  });
  after(async () => {
    aws?.destroy();
    await servers?.[Symbol.asyncDispose]();
  });
  const later = (ms: number) => {
    now = new Date(now.getTime() + ms);
  };
  const sweep = (roomId: string) =>
    aws.dynamo.send(new DeleteItemCommand({ TableName: 'rooms', Key: { room_id: { S: roomId } } }));

  it('lets in people with the token, and distinguishes an unknown room from a wrong token', async () => {
    const { room, token } = await rooms.create({ userId: 'user-1' });
    assert.equal((await rooms.enter(room.room_id, token)).room_id, room.room_id);
    await assert.rejects(rooms.enter('no-such-room', token), { code: 'ROOM_UNKNOWN' });
    for (const wrong of ['', `${token}x`, token.slice(1), room.token]) {
      await assert.rejects(rooms.enter(room.room_id, wrong), { code: 'TOKEN_REFUSED' });
    }
  });

  it('stores no token, so that a leaked table opens no room', async () => {
    const { room, token } = await rooms.create({ userId: 'user-1' });
    assert.ok(!JSON.stringify(await store.get(room.room_id)).includes(token));
  });

  it('gives a name to one of several who ask for it at once', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, () => rooms.create({ roomId: 'wanted-name', userId: 'user-1' })),
    );
    const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    assert.equal(winners.length, 1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'ROOM_EXISTS');
    const [winner] = winners;
    assert.ok(winner);
    await rooms.enter('wanted-name', winner.value.token);
  });

  it('closes after two hours without activity, though DynamoDB has not removed it, and opens again with its token', async () => {
    const { room, token } = await rooms.create({ userId: 'user-1' });
    later(ROOM_LIFETIME_MS + 1);
    await assert.rejects(rooms.enter(room.room_id, token), { code: 'ROOM_EXPIRED' });
    await assert.rejects(rooms.enter(room.room_id, 'wrong'), { code: 'TOKEN_REFUSED' });
    await assert.rejects(rooms.reopen(room.room_id, 'wrong'), { code: 'TOKEN_REFUSED' });
    await rooms.reopen(room.room_id, token);
    await rooms.enter(room.room_id, token);
  });

  it('leaves a room open while it is used', async () => {
    const { room, token } = await rooms.create({ userId: 'user-1' });
    later(ROOM_LIFETIME_MS - MINUTE);
    await rooms.extend([room.room_id, 'swept-meanwhile']);
    later(ROOM_LIFETIME_MS - MINUTE);
    await rooms.touch(await rooms.enter(room.room_id, token));
    later(ROOM_LIFETIME_MS - MINUTE);
    await rooms.enter(room.room_id, token);
    assert.equal(await store.get('swept-meanwhile'), undefined, 'a room that is gone is not made up');
  });

  it('reserves the name of a room that DynamoDB removed, and with it its models, for people with its token', async () => {
    const { room, token } = await rooms.create({ roomId: 'lab-mice', userId: 'user-1' });
    later(ROOM_LIFETIME_MS + 1);
    await sweep(room.room_id);
    await assert.rejects(rooms.create({ roomId: 'lab-mice', userId: 'squatter' }), { code: 'ROOM_EXISTS' });
    await assert.rejects(rooms.enter(room.room_id, token), { code: 'ROOM_EXPIRED' });
    await rooms.reopen(room.room_id, token);
    await rooms.enter(room.room_id, token);
  });
});
