import type { Room } from './room.ts';

/** The `rooms` table: open rooms, and expired ones until they are swept away. Rejects with SERVER_ERROR when it is away. */
export interface RoomStore {
  /** Adds a room. Rejects with ROOM_EXISTS where the name is in use. */
  create(room: Room): Promise<void>;
  get(roomId: string): Promise<Room | undefined>;
  /** Moves a room's end to a later time; an earlier one, or a room that is not there, changes nothing. */
  extend(roomId: string, expiresAt: number): Promise<void>;
  /** Puts back a room that was there before. */
  restore(room: Room): Promise<void>;
}

/**
 * The lasting record of who holds a room's name. A room outlives its row in the table: its models stay, and its token
 * reopens it. Without this record, whoever took the name after the row was swept away would own those models.
 * Rejects with STORAGE_UNREACHABLE when the storage is away.
 */
export interface RoomRecords {
  /** Takes a name for ever. Rejects with ROOM_EXISTS where it is taken. */
  claim(room: Room): Promise<void>;
  /** Gives a name back whose room could not be made. */
  release(roomId: string): Promise<void>;
  read(roomId: string): Promise<Room | undefined>;
}
