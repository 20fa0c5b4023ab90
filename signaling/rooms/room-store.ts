import type { Room } from './room.ts';

/** The `rooms` table: open rooms, and expired ones until DynamoDB removes them. Throws SERVER_ERROR if it is unavailable. */
export interface RoomStore {
  /** Adds a room. @throws SleapRtcError ROOM_EXISTS if the name is in use */
  create(room: Room): Promise<void>;
  get(roomId: string): Promise<Room | undefined>;
  /** Moves a room's end to a later time. Does nothing for an earlier time or an unknown room. */
  extend(roomId: string, expiresAt: number): Promise<void>;
  /** Adds a room again that expired, or replaces what is stored of an open one. */
  restore(room: Room): Promise<void>;
  /** Removes a room. Does nothing for an unknown one. */
  remove(roomId: string): Promise<void>;
}

/**
 * The permanent record of a room's name. A room outlives its row in the table: its models stay, and its token reopens it. Without
 * this record, the next room of the same name would own those models. Throws STORAGE_UNREACHABLE if the storage is unavailable.
 */
export interface RoomRecords {
  /** Takes a name forever. @throws SleapRtcError ROOM_EXISTS if it is taken */
  claim(room: Room): Promise<void>;
  /** Gives a name back if its room could not be made. */
  release(roomId: string): Promise<void>;
  read(roomId: string): Promise<Room | undefined>;
  /** Changes a room's record, though others change it at the same time. Returns the new one; undefined if there is none. */
  change(roomId: string, change: (room: Room) => Room): Promise<Room | undefined>;
}
