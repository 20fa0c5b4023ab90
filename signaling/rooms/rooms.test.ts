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

  const enter = (roomId: string, token: string, userId = 'user-2') => rooms.enter({ roomId, token, userId });
  const reopen = (roomId: string, token: string) => rooms.reopen({ roomId, token, userId: 'user-2' });

  it('lets in people with one of its tokens, and says what each allows', async () => {
    const { room, tokens } = await rooms.create({ userId: 'user-1' });
    for (const role of ['owner', 'member', 'viewer'] as const)
      assert.equal((await enter(room.room_id, tokens[role])).role, role);
    for (const wrong of ['', `${tokens.member}x`, tokens.member.slice(1), room.token, room.owner_token]) {
      await assert.rejects(enter(room.room_id, wrong), { code: 'TOKEN_REFUSED' });
    }
    await assert.rejects(reopen(room.room_id, tokens.viewer), { code: 'NOT_ALLOWED' });
  });

  it('refuses a wrong token and an unknown room alike: the same words, and the same requests', async () => {
    const { room, tokens } = await rooms.create({ userId: 'user-1' });
    const closed = await rooms.create({ userId: 'user-1' });
    await rooms.delete(closed.room.room_id);
    const asked: string[] = [];
    const counting = <T extends object>(target: T, name: string): T =>
      new Proxy(target, {
        get: (object, key) => {
          asked.push(`${name}.${String(key)}`);
          return Reflect.get(object, key);
        },
      });
    const records = createS3RoomRecords(new Bucket(aws.s3, servers.config.bucket));
    const watched = new Rooms({
      store: counting(store, 'store'),
      records: counting(records, 'records'),
      now: () => now,
    });
    const refusals = [];
    for (const [roomId, token] of [
      [room.room_id, 'wrong'],
      ['no-such-room', tokens.member],
      [closed.room.room_id, closed.tokens.member],
      [closed.room.room_id, 'wrong'],
    ] as const) {
      asked.length = 0;
      const error = await watched.enter({ roomId, token, userId: 'user-2' }).catch((thrown: unknown) => thrown);
      refusals.push(JSON.stringify([String(error).replace(roomId, 'ROOM'), asked]));
    }
    assert.equal(new Set(refusals).size, 1, refusals.join('\n'));
  });

  it('lets nobody in with a token that was changed, nor a user who was removed', async () => {
    const { room, tokens } = await rooms.create({ userId: 'user-1' });
    await rooms.removeUser(room.room_id, 'user-3');
    await assert.rejects(enter(room.room_id, tokens.member, 'user-3'), { code: 'NOT_ALLOWED' });
    const { member, viewer } = await rooms.rotate(room.room_id);
    for (const old of [tokens.member, tokens.viewer])
      await assert.rejects(enter(room.room_id, old), { code: 'TOKEN_REFUSED' });
    assert.equal((await enter(room.room_id, member)).role, 'member');
    assert.equal((await enter(room.room_id, viewer)).role, 'viewer');
    assert.equal((await enter(room.room_id, tokens.owner)).role, 'owner');
    later(ROOM_LIFETIME_MS + 1);
    await sweep(room.room_id);
    await assert.rejects(reopen(room.room_id, tokens.member), { code: 'TOKEN_REFUSED' });
    await reopen(room.room_id, member);
    await assert.rejects(enter(room.room_id, member, 'user-3'), { code: 'NOT_ALLOWED' });
  });

  it('is deleted by its owner only, stays deleted, and its name stays taken', async () => {
    const { room, tokens } = await rooms.create({ userId: 'user-1' });
    const remove = async (token: string) => {
      await rooms.checkOwner({ roomId: room.room_id, token, userId: 'user-1' });
      await rooms.delete(room.room_id);
    };
    await assert.rejects(remove(tokens.member), { code: 'NOT_ALLOWED' });
    await assert.rejects(remove('wrong'), { code: 'TOKEN_REFUSED' });
    await remove(tokens.owner);
    await remove(tokens.owner);
    for (const token of Object.values(tokens)) {
      await assert.rejects(enter(room.room_id, token), { code: 'TOKEN_REFUSED' });
      await assert.rejects(reopen(room.room_id, token), { code: 'TOKEN_REFUSED' });
    }
    await assert.rejects(rooms.create({ roomId: room.room_id, userId: 'squatter' }), { code: 'ROOM_EXISTS' });
  });

  it('stores no token, so that a leaked table opens no room', async () => {
    const { room, tokens } = await rooms.create({ userId: 'user-1' });
    const stored = JSON.stringify(await store.get(room.room_id));
    for (const token of Object.values(tokens)) assert.ok(!stored.includes(token));
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
    await enter('wanted-name', winner.value.tokens.member);
  });

  it('closes after two hours without activity, though DynamoDB has not removed it, and opens again with its token', async () => {
    const { room, tokens } = await rooms.create({ userId: 'user-1' });
    later(ROOM_LIFETIME_MS + 1);
    await assert.rejects(enter(room.room_id, tokens.member), { code: 'ROOM_EXPIRED' });
    await assert.rejects(enter(room.room_id, 'wrong'), { code: 'TOKEN_REFUSED' });
    await assert.rejects(reopen(room.room_id, 'wrong'), { code: 'TOKEN_REFUSED' });
    await reopen(room.room_id, tokens.member);
    await enter(room.room_id, tokens.member);
  });

  it('leaves a room open while it is used', async () => {
    const { room, tokens } = await rooms.create({ userId: 'user-1' });
    later(ROOM_LIFETIME_MS - MINUTE);
    await rooms.extend([room.room_id, 'swept-meanwhile']);
    later(ROOM_LIFETIME_MS - MINUTE);
    await rooms.touch((await enter(room.room_id, tokens.member)).room);
    later(ROOM_LIFETIME_MS - MINUTE);
    await enter(room.room_id, tokens.member);
    assert.equal(await store.get('swept-meanwhile'), undefined, 'a room that is gone is not made up');
  });

  it('reserves the name of a room that DynamoDB removed, and with it its models, for people with its token', async () => {
    const { room, tokens } = await rooms.create({ roomId: 'lab-mice', userId: 'user-1' });
    later(ROOM_LIFETIME_MS + 1);
    await sweep(room.room_id);
    await assert.rejects(rooms.create({ roomId: 'lab-mice', userId: 'squatter' }), { code: 'ROOM_EXISTS' });
    await assert.rejects(enter(room.room_id, tokens.member), { code: 'ROOM_EXPIRED' });
    await reopen(room.room_id, tokens.member);
    await enter(room.room_id, tokens.member);
  });
});
