import { randomInt } from 'node:crypto';
import { SleapRtcError } from '../../protocol/errors.ts';
import { epochSeconds, hasExpired, ROOM_LIFETIME_MS, type Room } from './room.ts';
import type { RoomRecords, RoomStore } from './room-store.ts';
import { hashToken, newRoomToken, tokenMatches } from './room-token.ts';

/** A room's end is moved only if that adds at least this time, to save a write for each small activity. */
const EXTEND_STEP_MS = 5 * 60 * 1000;

/** Makes rooms, checks room tokens, and extends rooms while they are used. */
export class Rooms {
  readonly #store: RoomStore;
  readonly #records: RoomRecords;
  readonly #now: () => Date;

  constructor(parts: { store: RoomStore; records: RoomRecords; now?: () => Date }) {
    this.#store = parts.store;
    this.#records = parts.records;
    this.#now = parts.now ?? (() => new Date());
  }

  /**
   * Makes a room and its token. The token is not stored and cannot be shown again.
   * @throws SleapRtcError ROOM_EXISTS
   */
  async create(options: { roomId?: string; userId: string }): Promise<{ room: Room; token: string }> {
    const token = newRoomToken();
    const now = this.#now();
    const room: Room = {
      room_id: options.roomId ?? randomRoomId(),
      token: hashToken(token),
      created_at: epochSeconds(now),
      expires_at: epochSeconds(now, ROOM_LIFETIME_MS),
      created_by: options.userId,
    };
    await this.#records.claim(room);
    try {
      await this.#store.create(room);
    } catch (error) {
      await this.#records.release(room.room_id).catch(() => undefined);
      throw error;
    }
    return { room, token };
  }

  /**
   * Checks a room token.
   * @throws SleapRtcError ROOM_UNKNOWN, TOKEN_REFUSED, or ROOM_EXPIRED (only if the token is right)
   */
  async enter(roomId: string, token: string): Promise<Room> {
    const room = await this.#find(roomId, token);
    if (hasExpired(room, this.#now())) throw new SleapRtcError('ROOM_EXPIRED', `The room ${roomId} has expired.`);
    return room;
  }

  /**
   * Opens a room again, or extends an open one to its full time.
   * @throws SleapRtcError ROOM_UNKNOWN, TOKEN_REFUSED
   */
  async reopen(roomId: string, token: string): Promise<Room> {
    const found = await this.#find(roomId, token);
    const room = { ...found, expires_at: epochSeconds(this.#now(), ROOM_LIFETIME_MS) };
    await this.#store.restore(room);
    return room;
  }

  /** Extends a room that is in use to its full time. Returns its new end. */
  async touch(room: Room): Promise<Room> {
    const end = epochSeconds(this.#now(), ROOM_LIFETIME_MS);
    if (end - room.expires_at < EXTEND_STEP_MS / 1000) return room;
    await this.#store.extend(room.room_id, end);
    return { ...room, expires_at: end };
  }

  /** Extends rooms with a peer or a running job to their full time, also one that expired while the server was down. */
  async extend(roomIds: Iterable<string>): Promise<void> {
    const end = epochSeconds(this.#now(), ROOM_LIFETIME_MS);
    for (const roomId of roomIds) await this.#store.extend(roomId, end);
  }

  async #find(roomId: string, token: string): Promise<Room> {
    // If DynamoDB has removed the row, the record still shows a room that has expired.
    const room = (await this.#store.get(roomId)) ?? (await this.#records.read(roomId));
    if (room === undefined) throw new SleapRtcError('ROOM_UNKNOWN', `There is no room named ${roomId}.`);
    if (!tokenMatches(token, room.token)) {
      throw new SleapRtcError('TOKEN_REFUSED', `This token does not open the room ${roomId}.`);
    }
    return room;
  }
}

/** Letters and digits that sound different when they are read aloud. */
const ID_LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';

function randomRoomId(): string {
  return `room-${Array.from({ length: 10 }, () => ID_LETTERS[randomInt(ID_LETTERS.length)]).join('')}`;
}
