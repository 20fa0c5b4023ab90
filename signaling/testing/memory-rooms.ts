import { SleapRtcError } from '../../protocol/errors.ts';
import { epochSeconds, ROOM_LIFETIME_MS, type Room } from '../rooms/room.ts';
import type { RoomRecords, RoomStore } from '../rooms/room-store.ts';
import { hashToken } from '../rooms/room-token.ts';

/** The table of rooms and their lasting records, in memory. */
export class MemoryRooms {
  readonly #rooms = new Map<string, Room>();
  readonly #records = new Map<string, Room>();

  readonly store: RoomStore = {
    create: async (room) => addOnce(this.#rooms, room),
    get: async (roomId) => this.#rooms.get(roomId),
    extend: async (roomId, expiresAt) => {
      const room = this.#rooms.get(roomId);
      if (room !== undefined && room.expires_at < expiresAt)
        this.#rooms.set(roomId, { ...room, expires_at: expiresAt });
    },
    restore: async (room) => void this.#rooms.set(room.room_id, room),
    remove: async (roomId) => void this.#rooms.delete(roomId),
  };

  readonly records: RoomRecords = {
    claim: async (room) => addOnce(this.#records, room),
    release: async (roomId) => void this.#records.delete(roomId),
    read: async (roomId) => this.#records.get(roomId),
    change: async (roomId, change) => {
      const before = this.#records.get(roomId);
      if (before === undefined) return undefined;
      const after = change(before);
      this.#records.set(roomId, after);
      return after;
    },
  };

  /** Adds an open room with a token that the test chooses; the owner's is `TOKEN-owner`, the viewers' `TOKEN-viewer`. */
  add(roomId: string, token: string): void {
    const now = new Date();
    const room: Room = {
      room_id: roomId,
      token: hashToken(token),
      owner_token: hashToken(`${token}-owner`),
      viewer_token: hashToken(`${token}-viewer`),
      removed_users: [],
      created_at: epochSeconds(now),
      expires_at: epochSeconds(now, ROOM_LIFETIME_MS),
      created_by: 'user-1',
    };
    this.#records.set(roomId, room);
    this.#rooms.set(roomId, room);
  }
}

function addOnce(rooms: Map<string, Room>, room: Room): void {
  if (rooms.has(room.room_id)) throw new SleapRtcError('ROOM_EXISTS', `There is a room named ${room.room_id}.`);
  rooms.set(room.room_id, room);
}
