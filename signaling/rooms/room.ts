import type { StoredRoom } from '../../protocol/stored/stored-objects.ts';

/** How long a room stays open after the last activity in it (the seed's two hours). */
export const ROOM_LIFETIME_MS = 2 * 60 * 60 * 1000;

/** A room as it is stored. */
export type Room = StoredRoom;

/** Whole seconds since 1970, `afterMs` milliseconds after `now`. */
export function epochSeconds(now: Date, afterMs = 0): number {
  return Math.floor((now.getTime() + afterMs) / 1000);
}

/** True if the room no longer lets anyone in. DynamoDB removes expired items hours late, so this is checked each time. */
export function hasExpired(room: Room, now: Date): boolean {
  return room.expires_at * 1000 <= now.getTime();
}

/** An ISO 8601 time, as the API shows it. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
