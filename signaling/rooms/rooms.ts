import { randomInt } from 'node:crypto';
import { SleapRtcError } from '../../protocol/errors.ts';
import { MAX_REMOVED_USERS } from '../../protocol/stored/stored-objects.ts';
import type { RoomRole } from '../../protocol/wire/api.ts';
import { inParallel } from '../../storage/index.ts';
import { epochSeconds, hasExpired, ROOM_LIFETIME_MS, type Room } from './room.ts';
import type { RoomRecords, RoomStore } from './room-store.ts';
import { hashToken, newRoomToken, roleOfToken } from './room-token.ts';

/** A room's end is moved only if that adds at least this time, to save a write for each small activity. */
const EXTEND_STEP_MS = 5 * 60 * 1000;

/** Rooms that are extended at a time, of perhaps thousands. */
const EXTENDED_AT_ONCE = 8;

/** Who wants to enter which room. */
export interface EntryRequest {
  roomId: string;
  token: string;
  userId: string;
}

/** A room, and what the token allows there. */
export interface Entry {
  room: Room;
  role: RoomRole;
}

/** The tokens of a room, which are not stored and cannot be shown again. */
export interface RoomTokens {
  owner: string;
  member: string;
  viewer: string;
}

/** One error for an unknown room and for a wrong token, so that nobody can find out which rooms there are. */
export function entryRefused(roomId = 'of this name'): SleapRtcError {
  return new SleapRtcError('TOKEN_REFUSED', `There is no room ${roomId} with this token.`);
}

/** @throws SleapRtcError NOT_ALLOWED for a role that may only read */
export function refuseViewer(role: RoomRole): void {
  if (role !== 'viewer') return;
  throw new SleapRtcError('NOT_ALLOWED', 'This invite is a viewer’s: it shows models and jobs, and changes nothing.');
}

/** Makes rooms, checks room tokens, extends rooms while they are used, and closes them for some or for all. */
export class Rooms {
  readonly #store: RoomStore;
  readonly #records: RoomRecords;
  readonly #now: () => Date;
  #closings = 0;

  constructor(parts: { store: RoomStore; records: RoomRecords; now?: () => Date }) {
    this.#store = parts.store;
    this.#records = parts.records;
    this.#now = parts.now ?? (() => new Date());
  }

  /** How often a room was closed for somebody. Whoever was let in and notes a change while entering must enter once more. */
  get closings(): number {
    return this.#closings;
  }

  /** Makes a room and its tokens. @throws SleapRtcError ROOM_EXISTS */
  async create(options: { roomId?: string; userId: string }): Promise<{ room: Room; tokens: RoomTokens }> {
    const tokens = { owner: newRoomToken(), member: newRoomToken(), viewer: newRoomToken() };
    const now = this.#now();
    const room: Room = {
      room_id: options.roomId ?? randomRoomId(),
      token: hashToken(tokens.member),
      owner_token: hashToken(tokens.owner),
      viewer_token: hashToken(tokens.viewer),
      created_at: epochSeconds(now),
      expires_at: epochSeconds(now, ROOM_LIFETIME_MS),
      created_by: options.userId,
      removed_users: [],
    };
    await this.#records.claim(room);
    try {
      await this.#store.create(room);
    } catch (error) {
      await this.#records.release(room.room_id).catch(() => undefined);
      throw error;
    }
    return { room, tokens };
  }

  /**
   * Checks a room token.
   * @throws SleapRtcError TOKEN_REFUSED if there is no such room or the token is wrong; with a right one, ROOM_EXPIRED, or NOT_ALLOWED
   *   if the owner has removed this user
   */
  async enter(request: EntryRequest): Promise<Entry> {
    const entry = await this.#find(request);
    if (!hasExpired(entry.room, this.#now())) return entry;
    throw new SleapRtcError('ROOM_EXPIRED', `The room ${request.roomId} has expired.`);
  }

  /**
   * Opens a room again, or extends an open one to its full time.
   * @throws SleapRtcError TOKEN_REFUSED, NOT_ALLOWED
   */
  async reopen(request: EntryRequest): Promise<Entry> {
    const found = await this.#find(request);
    refuseViewer(found.role);
    const room = { ...found.room, expires_at: epochSeconds(this.#now(), ROOM_LIFETIME_MS) };
    await this.#store.restore(room);
    return { ...found, room };
  }

  /** Gives a room new tokens for members and viewers; the old ones open it no more. */
  async rotate(roomId: string): Promise<Omit<RoomTokens, 'owner'>> {
    const tokens = { member: newRoomToken(), viewer: newRoomToken() };
    const hashes = { token: hashToken(tokens.member), viewer_token: hashToken(tokens.viewer) };
    await this.#change(roomId, (room) => ({ ...room, ...hashes }));
    return tokens;
  }

  /** Refuses a user from now on. @throws SleapRtcError LIMIT_REACHED if too many have been removed */
  async removeUser(roomId: string, userId: string): Promise<void> {
    await this.#change(roomId, (room) => {
      const removed_users = [...new Set([...room.removed_users, userId])];
      if (removed_users.length <= MAX_REMOVED_USERS) return { ...room, removed_users };
      throw new SleapRtcError('LIMIT_REACHED', `${MAX_REMOVED_USERS} users have been removed from the room already.`, {
        remedy: 'Give the room a new token with `sleap-rtc rooms rotate`, which removes everybody.',
      });
    });
  }

  /**
   * Checks that a token is the owner's. Also succeeds if the room has expired or was deleted, since the answer to an earlier deletion
   * may have been lost.
   * @throws SleapRtcError TOKEN_REFUSED, NOT_ALLOWED
   */
  async checkOwner(request: EntryRequest): Promise<void> {
    const { role } = await this.#find(request, { evenIfDeleted: true });
    if (role !== 'owner') throw new SleapRtcError('NOT_ALLOWED', 'Only the owner of the room may do this.');
  }

  /** Closes a room forever; comes after `checkOwner`. Its name stays taken. */
  async delete(roomId: string): Promise<void> {
    this.#closings += 1;
    const deleted_at = epochSeconds(this.#now());
    await this.#records.change(roomId, (room) => ({ ...room, deleted_at: room.deleted_at ?? deleted_at }));
    await this.#store.remove(roomId);
    this.#closings += 1;
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
    await inParallel([...roomIds], { limit: EXTENDED_AT_ONCE }, (roomId) => this.#store.extend(roomId, end));
  }

  /** Changes a room in both places; the record first, from which a row is made again if a room is reopened. */
  async #change(roomId: string, change: (room: Room) => Room): Promise<void> {
    this.#closings += 1;
    const changed = await this.#records.change(roomId, change);
    if (changed === undefined || changed.deleted_at !== undefined) throw entryRefused(roomId);
    const open = await this.#store.get(roomId);
    if (open !== undefined) await this.#store.restore({ ...changed, expires_at: open.expires_at });
    this.#closings += 1;
  }

  /** Every refusal costs the same requests, whether or not there is such a room. */
  async #find({ roomId, token, userId }: EntryRequest, { evenIfDeleted } = { evenIfDeleted: false }): Promise<Entry> {
    const row = await this.#store.get(roomId);
    // If DynamoDB has removed the row, the record still shows a room that has expired.
    const record = roleOfToken(row, token) === undefined ? await this.#records.read(roomId) : undefined;
    const room = row ?? record;
    const role = roleOfToken(room, token);
    if (room === undefined || role === undefined) throw entryRefused(roomId);
    if (room.deleted_at !== undefined && !evenIfDeleted) throw entryRefused(roomId);
    if (room.removed_users.includes(userId) && role !== 'owner')
      throw new SleapRtcError('NOT_ALLOWED', 'The owner of the room has removed you.');
    return { room, role };
  }
}

/** Letters and digits that sound different when they are read aloud. */
const ID_LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';

function randomRoomId(): string {
  return `room-${Array.from({ length: 10 }, () => ID_LETTERS[randomInt(ID_LETTERS.length)]).join('')}`;
}
